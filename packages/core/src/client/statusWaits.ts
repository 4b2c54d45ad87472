// What can be made of an exporter's statuses: a stream of changes, and a wait for one of them.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { blame, type Caller } from "../protocol/callerFrame.ts"
import {
  type ExporterStatus,
  failedHook,
  HookFailed,
  type LeaseHook,
  StatusChange,
  StatusNotReached,
  type StatusReport
} from "../protocol/ExporterStatus.ts"
import * as interruptible from "../util/interruptible.ts"
import type { HookLog } from "./hookLog.ts"
import type { End, KnownStatus } from "./knownStatus.ts"
import type { LogStream } from "./LogStream.ts"
import type { Link } from "./reconnect.ts"
import type { StatusPoller } from "./statusPoller.ts"

// What hooks write into the log, from the first call of `listen` until the scope closes. The log is read only when needed:
// a Python exporter sends each line to one subscriber only (protocol.md 8).
const hookLines = Effect.fnUntraced(function*(logs: LogStream, log: HookLog) {
  const scope = yield* Effect.scope
  let isListening = false

  const listen = Effect.suspend(() => {
    if (isListening) return Effect.void
    isListening = true
    return interruptible.forkIn(Stream.runDrain(logs.events), scope)
  })

  const of = (hook: LeaseHook) =>
    Effect.suspend(() => {
      const lines = log.of(hook)
      // The log and the status travel separately.
      return listen.pipe(Effect.zipRight(logs.settled), Effect.map(() => lines.slice()))
    })

  return { listen, of }
})

const missedBetween = (before: Option.Option<bigint>, now: Option.Option<bigint>): number => {
  if (Option.isNone(before) || Option.isNone(now)) return 0
  const step = now.value - before.value
  // A version that goes back is from another serving instance, which began with 0.
  return Number(step > 0n ? step - 1n : step < 0n ? now.value : 0n)
}

const runsHook = ({ status }: StatusReport): boolean => status === "BEFORE_LEASE_HOOK" || status === "AFTER_LEASE_HOOK"

export const make = (
  { closed, exporter: { target: address } }: Pick<Link, "closed" | "exporter">,
  known: KnownStatus,
  poller: StatusPoller,
  logs: LogStream,
  hookLog: HookLog,
  readyTimeout: Duration.DurationInput
) => {
  const changes = (caller: Caller | undefined): Stream.Stream<StatusChange, StatusNotReached> =>
    Stream.unwrapScoped(
      Effect.map(poller.subscribe("watch"), (statuses) => Mailbox.toStream(statuses))
    ).pipe(
      Stream.mapAccum(Option.none<bigint>(), (before, now) => [
        now.version,
        new StatusChange({ ...now, missed: missedBetween(before, now.version) })
      ]),
      Stream.catchAll((end) =>
        typeof end === "string"
          ? Stream.empty
          : Stream.fail(
            blame(
              new StatusNotReached({ address, awaited: [], reason: "ConnectionLost", details: end.lost }),
              { caller }
            )
          )
      )
    )

  const awaitStatus = (
    caller: Caller | undefined,
    awaited: readonly [ExporterStatus, ...ReadonlyArray<ExporterStatus>]
  ) => {
    const notReached = (reason: StatusNotReached["reason"], details: string) =>
      new StatusNotReached({ address, awaited, reason, details })

    const ended = (end: End): StatusNotReached =>
      end === "unsupported"
        ? notReached("Unsupported", "it does not report its status")
        : notReached("ConnectionLost", end === "closed" ? closed().details : end.lost)

    // The caller may have awaited a failure, too.
    const failure = (report: StatusReport): Option.Option<LeaseHook> =>
      awaited.includes(report.status) && report.status !== "AVAILABLE" ? Option.none() : failedHook(report)

    const waiting = Effect.gen(function*() {
      const statuses = yield* poller.subscribe("await")
      const hooks = yield* hookLines(logs, hookLog)
      while (true) {
        const report = yield* Effect.mapError(
          statuses.take,
          (end) => ended(Cause.isNoSuchElementException(end) ? "closed" : end)
        )
        const hook = failure(report)
        if (Option.isSome(hook)) {
          return yield* new HookFailed({
            address,
            hook: hook.value,
            status: report.status,
            details: report.message,
            logs: yield* hooks.of(hook.value)
          })
        }
        if (awaited.includes(report.status)) return report
        if (report.status === "OFFLINE") return yield* notReached("Offline", report.message)
        if (runsHook(report)) yield* hooks.listen
      }
    })

    const tooLate = () => {
      const { message, status } = known.report()
      const trouble = known.trouble()
      const last = `it ${trouble === undefined ? "is" : "was"} ${status}${message === "" ? "" : `, ${message}`}`
      return notReached(
        "Timeout",
        `${last}, after ${Duration.format(readyTimeout)} (readyTimeout)${
          trouble === undefined ? "" : `; ${trouble.message}`
        }`
      )
    }

    return waiting.pipe(
      Effect.scoped,
      interruptible.timeoutFail({ duration: readyTimeout, onTimeout: tooLate }),
      Effect.mapError((error) => blame(error, { caller }))
    )
  }

  return { changes, awaitStatus }
}
