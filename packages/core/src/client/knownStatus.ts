// The last known status of an exporter, and its subscribers.
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import { StatusReport } from "../protocol/ExporterStatus.ts"
import type { ExporterClient } from "./ExporterClient.ts"
import type { HookLog } from "./hookLog.ts"

// How many statuses a subscriber may be behind. Older ones make room.
const backlog = 64

// Why no more statuses come.
export type End = "closed" | "unsupported" | { readonly lost: string }

// While somebody awaits a status, it is requested more often. An exporter without statuses is still queried, as a sign of
// life.
export type Mode = "await" | "watch" | "liveness"

export type Statuses = Mailbox.ReadonlyMailbox<StatusReport, End>

interface Subscriber {
  readonly mode: Mode
  readonly mailbox: Mailbox.Mailbox<StatusReport, End>
  informed: boolean
}

export interface KnownStatus {
  // The last status that was received.
  readonly report: () => StatusReport
  // Why the last request got no answer.
  readonly trouble: () => GrpcStatusError | undefined
  // Whether this status came from the exporter that is there now.
  readonly isCurrent: () => boolean
  // Records the exporter's answer, or why there was none.
  readonly learn: (report: StatusReport) => Effect.Effect<void>
  readonly miss: (trouble: GrpcStatusError) => void
  // Records that another exporter has taken the place of the one that answered last.
  readonly expire: () => void
  // The modes of the subscribers.
  readonly modes: () => ReadonlyArray<Mode>
  // The current status and every change from now on, until the scope closes.
  readonly subscribe: (mode: Mode) => Effect.Effect<Statuses, never, Scope.Scope>
  // Ends the subscriptions, either all or those of some modes.
  readonly end: (exit: Exit.Exit<void, End>, of?: (mode: Mode) => boolean) => void
  // Ends all subscriptions, including future ones.
  readonly close: () => void
}

// The status of an exporter that predates statuses.
const unversioned = new StatusReport({
  status: "LEASE_READY",
  message: "",
  version: Option.none(),
  previous: Option.none()
})

export const read = (exporter: ExporterClient): Effect.Effect<StatusReport, GrpcStatusError> =>
  Effect.catchIf(
    exporter.getStatus,
    ({ code, origin }) => origin === "peer" && code === "UNIMPLEMENTED",
    () => Effect.succeed(unversioned)
  )

export const make = Effect.fnUntraced(function*(exporter: string, initial: StatusReport, hookLog: HookLog) {
  const subscribers = new Set<Subscriber>()
  let known = initial
  let isCurrent = true
  let trouble: GrpcStatusError | undefined
  let closed = false

  const warn = ({ warning }: StatusReport) =>
    Option.match(warning, {
      onNone: () => Effect.void,
      onSome: (text) => Effect.annotateLogs(Effect.logWarning(text), "exporter", exporter)
    })

  const learn: KnownStatus["learn"] = (report) =>
    Effect.suspend(() => {
      const changed = !Equal.equals(report, known)
      known = report
      isCurrent = true
      trouble = undefined
      hookLog.learn(report)
      for (const subscriber of subscribers) {
        if (changed || !subscriber.informed) subscriber.mailbox.unsafeOffer(report)
        subscriber.informed = true
      }
      return changed ? warn(report) : Effect.void
    })

  const end: KnownStatus["end"] = (exit, of = () => true) => {
    for (const subscriber of subscribers) {
      if (!of(subscriber.mode)) continue
      subscriber.mailbox.unsafeDone(Exit.isSuccess(exit) ? Exit.fail("closed") : exit)
      subscribers.delete(subscriber)
    }
  }

  const subscribe: KnownStatus["subscribe"] = (mode) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.gen(function*() {
          const mailbox = yield* Mailbox.make<StatusReport, End>({ capacity: backlog, strategy: "sliding" })
          const subscriber: Subscriber = { mode, mailbox, informed: false }
          if (closed) yield* mailbox.fail("closed")
          else subscribers.add(subscriber)
          return subscriber
        }),
        (subscriber) => Effect.sync(() => subscribers.delete(subscriber))
      ),
      ({ mailbox }) => mailbox
    )

  yield* warn(initial)
  const status: KnownStatus = {
    report: () => known,
    trouble: () => trouble,
    isCurrent: () => isCurrent,
    learn,
    miss: (status) => {
      trouble = status
    },
    expire: () => {
      isCurrent = false
    },
    modes: () => Array.from(subscribers, ({ mode }) => mode),
    subscribe,
    end,
    close: () => {
      closed = true
      end(Exit.void)
    }
  }
  return status
})
