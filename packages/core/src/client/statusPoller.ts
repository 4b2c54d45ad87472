// Queries an exporter for its status while somebody listens, on behalf of all subscribers (protocol.md 9.5).
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import type { StatusReport } from "../protocol/ExporterStatus.ts"
import { addFinalizer } from "../util/acquired.ts"
import * as interruptible from "../util/interruptible.ts"
import * as sharedFiber from "../util/sharedFiber.ts"
import type { StatusPolling } from "./connection.ts"
import * as knownStatus from "./knownStatus.ts"
import type { Link } from "./reconnect.ts"

const maxUnanswered = 20

export interface StatusPoller {
  // Queries now.
  readonly ask: Effect.Effect<StatusReport, GrpcStatus.GrpcStatusError>
  // Keeps querying the exporter until the scope closes, and returns the statuses as they arrive.
  readonly subscribe: (mode: knownStatus.Mode) => Effect.Effect<knownStatus.Statuses, never, Scope.Scope>
  // Waits as long as between two queries.
  readonly rest: Effect.Effect<void>
}

// Versions of one serving instance only go up.
const isBefore = (report: StatusReport, known: StatusReport): boolean =>
  Option.getOrElse(Option.zipWith(report.version, known.version, (a, b) => a < b), () => false)

export const make = Effect.fnUntraced(
  function*(link: Link, status: knownStatus.KnownStatus, polling: StatusPolling) {
    const { exporter } = link
    const deadline = Duration.decode(polling.deadline ?? "5 seconds")
    const wake = yield* Queue.sliding<void>(1)
    let closed = false
    let asked = 0
    let answered = 0

    const ask = Effect.zipRight(
      link.settled,
      Effect.suspend(() => {
        const turn = ++asked
        return knownStatus.read(exporter).pipe(
          interruptible.timeoutFail({
            duration: deadline,
            onTimeout: () =>
              GrpcStatus.refused(
                { rpc: "", target: exporter.target },
                "DEADLINE_EXCEEDED",
                `no status within ${Duration.format(deadline)} (statusPolling.deadline)`
              )
          }),
          Effect.tap((report) => {
            // Ignore an answer that arrives after the answer to a later request.
            const learn = Effect.suspend(() => {
              if (turn < answered) return Effect.void
              answered = turn
              return status.learn(report)
            })
            const isAnother = turn > answered && status.isCurrent() && isBefore(report, status.report())
            return isAnother ? Effect.zipRight(link.identify, learn) : learn
          })
        )
      })
    ).pipe(Effect.tapError((trouble) => Effect.sync(() => status.miss(trouble))))

    const interval = (): Duration.DurationInput =>
      status.modes().includes("await")
        ? polling.awaited ?? "100 millis"
        : status.report().status === "LEASE_READY"
        ? polling.idle ?? "5 seconds"
        : polling.watched ?? "300 millis"

    const rest = Effect.suspend(() => Effect.sleep(interval()))

    const pause = interruptible.raceFirst(rest, Queue.take(wake))

    // A loop and not a `Schedule`: the pause depends on the subscribers and on the last answer, a new subscriber ends it,
    // and a request that timed out is repeated at once. All of it runs on Effect's clock.
    const poll: Effect.Effect<void, knownStatus.End> = Effect.gen(function*() {
      yield* Queue.takeAll(wake)
      let unanswered = 0
      while (true) {
        const answer = yield* Effect.either(ask)
        if (Either.isRight(answer)) {
          if (Option.isNone(answer.right.version)) {
            status.end(Exit.fail("unsupported"), (mode) => mode !== "liveness")
            if (status.modes().length === 0) return yield* Effect.fail("unsupported" as const)
          }
          unanswered = 0
          yield* pause
        } else if (answer.left.origin === "client" && answer.left.code === "DEADLINE_EXCEEDED") {
          if (++unanswered === maxUnanswered) {
            const reason = `${maxUnanswered} times in a row: ${answer.left.details}`
            if (!(yield* link.lose(reason))) return yield* Effect.fail({ lost: reason })
            unanswered = 0
          }
        } else {
          // The client itself refuses after the connection was given up.
          if (answer.left.origin === "client" && answer.left.scope === "connection") {
            return yield* Effect.fail({ lost: answer.left.details })
          }
          unanswered = 0
          yield* pause
        }
      }
    })

    yield* addFinalizer(Effect.sync(() => {
      closed = true
      status.close()
    }))
    const polled = yield* sharedFiber.make(() => poll, (exit) => status.end(exit))

    const subscribe: StatusPoller["subscribe"] = (mode) =>
      status.subscribe(mode).pipe(
        Effect.tap(Effect.suspend(() => closed ? Effect.void : polled)),
        Effect.tap(Queue.offer(wake, undefined))
      )

    const poller: StatusPoller = { ask, subscribe, rest }
    return poller
  }
)
