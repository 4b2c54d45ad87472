// Asks an exporter for its status while somebody wants to know, on behalf of all (protocol.md 9.5).
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import { StatusReport } from "../protocol/ExporterStatus.ts"
import * as interruptible from "../util/interruptible.ts"
import * as sharedFiber from "../util/sharedFiber.ts"
import type { StatusPolling } from "./connection.ts"
import type { ExporterClient } from "./ExporterClient.ts"
import type { Link } from "./reconnect.ts"

// Statuses a consumer may be behind; older ones make place.
const backlog = 64

const maxUnanswered = 20

// Why no status comes any more.
export type End = "closed" | "unsupported" | { readonly lost: string }

type Statuses = Mailbox.ReadonlyMailbox<StatusReport, End>

export interface StatusPoller {
  // What was heard last.
  readonly known: () => StatusReport
  // Why there was no answer when it was asked last.
  readonly trouble: () => GrpcStatus.GrpcStatusError | undefined
  // Takes note of a status that somebody else has heard.
  readonly learn: (report: StatusReport) => Effect.Effect<void>
  // Asks now.
  readonly ask: Effect.Effect<StatusReport, GrpcStatus.GrpcStatusError>
  // The status as of now and every change from here on, until the scope closes. While somebody awaits one it is asked for
  // more often. An exporter that has none is asked all the same for a sign of life.
  readonly subscribe: (mode: Mode) => Effect.Effect<Statuses, never, Scope.Scope>
}

type Mode = "await" | "watch" | "liveness"

interface Subscriber {
  readonly mode: Mode
  readonly mailbox: Mailbox.Mailbox<StatusReport, End>
  informed: boolean
}

// What an exporter that predates statuses counts as.
const unversioned = new StatusReport({
  status: "LEASE_READY",
  message: "",
  version: Option.none(),
  previous: Option.none()
})

export const getStatus = (exporter: ExporterClient): Effect.Effect<StatusReport, GrpcStatus.GrpcStatusError> =>
  Effect.catchIf(
    exporter.getStatus,
    ({ code, origin }) => origin === "peer" && code === "UNIMPLEMENTED",
    () => Effect.succeed(unversioned)
  )

// Versions of one serving instance only go up.
const isBefore = (report: StatusReport, known: StatusReport): boolean =>
  Option.getOrElse(Option.zipWith(report.version, known.version, (a, b) => a < b), () => false)

export const make = Effect.fnUntraced(
  function*(
    exporter: ExporterClient,
    link: Link,
    initial: StatusReport,
    polling: StatusPolling,
    on: {
      readonly learned: (report: StatusReport) => void
      // It is another exporter that answers.
      readonly replaced: Effect.Effect<void>
    }
  ) {
    const deadline = Duration.decode(polling.deadline ?? "5 seconds")
    const subscribers = new Set<Subscriber>()
    const wake = yield* Queue.sliding<void>(1)
    let closed = false
    let known = initial
    let trouble: GrpcStatus.GrpcStatusError | undefined
    let asked = 0
    let answered = 0

    const warn = ({ warning }: StatusReport) =>
      Option.match(warning, {
        onNone: () => Effect.void,
        onSome: (text) => Effect.annotateLogs(Effect.logWarning(text), "exporter", exporter.target)
      })

    const learn = (report: StatusReport) =>
      Effect.suspend(() => {
        const changed = !Equal.equals(report, known)
        known = report
        trouble = undefined
        on.learned(report)
        for (const subscriber of subscribers) {
          if (changed || !subscriber.informed) subscriber.mailbox.unsafeOffer(report)
          subscriber.informed = true
        }
        return changed ? warn(report) : Effect.void
      })

    const ask = Effect.zipRight(
      link.settled,
      Effect.suspend(() => {
        const turn = ++asked
        return getStatus(exporter).pipe(
          interruptible.timeoutFail({
            duration: deadline,
            onTimeout: () =>
              GrpcStatus.refused(
                { rpc: "", target: exporter.target },
                "DEADLINE_EXCEEDED",
                `no status within ${Duration.format(deadline)} (statusPolling.deadline)`
              )
          }),
          // An answer that was overtaken by that to a later question is old news.
          Effect.tap((report) => {
            if (turn < answered) return Effect.void
            answered = turn
            return isBefore(report, known) ? Effect.zipRight(learn(report), on.replaced) : learn(report)
          })
        )
      })
    ).pipe(Effect.tapError((status) =>
      Effect.sync(() => {
        trouble = status
      })
    ))

    const interval = (): Duration.DurationInput =>
      Array.from(subscribers).some(({ mode }) => mode === "await")
        ? polling.awaited ?? "100 millis"
        : known.status === "LEASE_READY"
        ? polling.idle ?? "5 seconds"
        : polling.watched ?? "300 millis"

    const pause = interruptible.raceFirst(Effect.suspend(() => Effect.sleep(interval())), Queue.take(wake))

    const endAll = (exit: Exit.Exit<void, End>, of: (subscriber: Subscriber) => boolean = () => true): void => {
      for (const subscriber of subscribers) {
        if (!of(subscriber)) continue
        subscriber.mailbox.unsafeDone(Exit.isSuccess(exit) ? Exit.fail("closed") : exit)
        subscribers.delete(subscriber)
      }
    }

    // A loop and no `Schedule`: how long it pauses depends on who listens and on the last answer, a new subscriber ends a
    // pause, and a question that timed out is asked again at once. It all goes by Effect's clock.
    const poll: Effect.Effect<void, End> = Effect.gen(function*() {
      yield* Queue.takeAll(wake)
      let unanswered = 0
      while (true) {
        const answer = yield* Effect.either(ask)
        if (Either.isRight(answer)) {
          if (Option.isNone(answer.right.version)) {
            endAll(Exit.fail("unsupported"), ({ mode }) => mode !== "liveness")
            if (subscribers.size === 0) return yield* Effect.fail("unsupported" as const)
          }
          unanswered = 0
          yield* pause
        } else if (answer.left.code === "DEADLINE_EXCEEDED") {
          if (++unanswered === maxUnanswered) {
            const reason = `${maxUnanswered} times in a row: ${answer.left.details}`
            if (!(yield* link.lose(reason))) return yield* Effect.fail({ lost: reason })
            unanswered = 0
          }
        } else {
          // The client itself refuses when the connection was given up.
          if (answer.left.origin === "client" && answer.left.scope === "connection") {
            return yield* Effect.fail({ lost: answer.left.details })
          }
          unanswered = 0
          yield* pause
        }
      }
    })

    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
        endAll(Exit.void)
      })
    )
    const polled = yield* sharedFiber.make(() => poll, (exit) => endAll(exit))

    const subscribe: StatusPoller["subscribe"] = (mode) =>
      Effect.acquireRelease(
        Effect.gen(function*() {
          const mailbox = yield* Mailbox.make<StatusReport, End>({ capacity: backlog, strategy: "sliding" })
          const subscriber: Subscriber = { mode, mailbox, informed: false }
          if (closed) yield* mailbox.fail("closed")
          else subscribers.add(subscriber)
          return subscriber
        }),
        (subscriber) => Effect.sync(() => subscribers.delete(subscriber))
      ).pipe(
        Effect.tap(Effect.suspend(() => closed ? Effect.void : polled)),
        Effect.tap(Queue.offer(wake, undefined)),
        Effect.map(({ mailbox }) => mailbox)
      )

    yield* warn(initial)
    const poller: StatusPoller = { known: () => known, trouble: () => trouble, learn, ask, subscribe }
    return poller
  }
)
