// Watches a lease that is held: notices its end, and extends it.
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { ControllerError } from "../controller/Controller.ts"
import type { LeaseInfo } from "../controller/records.ts"
import { LeaseEnded } from "../protocol/LeaseEnded.ts"
import type * as telemetry from "../telemetry/leases.ts"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import * as sharedQuery from "../util/sharedQuery.ts"
import type { Acquired } from "./acquisition.ts"
import * as endings from "./endings.ts"
import { LeaseError } from "./leaseError.ts"
import type { Extension } from "./leaseRequest.ts"
import * as reading from "./reading.ts"
import { shownTime } from "./shownTime.ts"
import type { Terms } from "./terms.ts"

export interface Watch {
  /** Watches the lease, and extends it, until it is over. */
  readonly run: Effect.Effect<LeaseEnded>
  /** The end, as far as is known. */
  readonly end: () => LeaseEnded | undefined
  /** The end, as the controller knows it now. An answer that is late counts as none. */
  readonly ask: Effect.Effect<LeaseEnded | undefined>
  /** The same, without a query if the controller has only just said that the lease goes on. */
  readonly askUnlessKnown: Effect.Effect<LeaseEnded | undefined>
  /** Adds to the duration, and returns when the lease ends now. */
  readonly extend: (
    by: Duration.DurationInput
  ) => Effect.Effect<DateTime.Utc, ControllerError | LeaseEnded | LeaseError>
}

const betweenLooks = 30_000

// At the end, and after a refused extension.
const shortly = 1_000

// Several looks fit into the time that is left when the controller is away.
const lookBound = Duration.seconds(5)

// A call that has failed waits for it.
const askBound = Duration.seconds(2)

// How long, in milliseconds, what the controller said is taken for what it knows now.
const fresh = 250

// Without a policy, and at the limit of the policy.
const warnBefore = 5 * 60_000

export const make = (
  { controller, extend: policy, name, requested, title }: Terms,
  acquired: Acquired,
  { extended }: Pick<telemetry.Holding, "extended">
): Effect.Effect<Watch> =>
  Effect.gen(function*() {
    const over = yield* Deferred.make<LeaseEnded>()
    let end: LeaseEnded | undefined
    let known = acquired.lease
    /** Of the monotonic clock. */
    let deadline = Infinity
    let learned = -Infinity
    let warned = false
    let grows = policy !== undefined

    const learn = (lease: LeaseInfo, asked: number) =>
      Effect.sync(() => {
        known = lease
        learned = asked
        Option.map(reading.remaining(lease), (left) => {
          deadline = asked + Duration.toMillis(left)
        })
      })
    yield* learn(acquired.lease, acquired.asked)

    const noticed = (news: LeaseEnded) =>
      Effect.suspend(() => {
        end ??= news
        return Deferred.succeed(over, end)
      })

    const gone = Effect.map(DateTime.now, (at) =>
      new LeaseEnded({ lease: name, how: "Deleted", at, details: "the controller no longer knows it" }))

    /** Learns what the controller knows. If it does not answer, everything stays as it was. */
    const look = (bound: Duration.Duration): Effect.Effect<void> =>
      Effect.gen(function*() {
        const asked = yield* monotonicClock.currentMillis
        const answer = yield* Effect.either(controller.within(bound).lease(name))
        if (Either.isLeft(answer)) {
          if (answer.left.reason === "NotFound") {
            yield* noticed(yield* gone)
          } else yield* Effect.logDebug(`${title} could not be read`, answer.left)
          return
        }
        const now = reading.of(answer.right, controller.config.name)
        yield* now._tag === "Over"
          ? Effect.flatMap(endings.of(name, now), noticed)
          : learn(answer.right, asked)
      })

    const warn = (left: number, why: string) =>
      Effect.suspend(() => {
        if (warned) {
          return Effect.void
        }
        warned = true
        return Effect.logWarning(`${title} ends in ${shownTime(left)}${why}`)
      })

    /** By how much the policy extends the lease now; zero at its limit. */
    const nextStep = ({ by, upTo }: Extension): Duration.Duration =>
      Duration.min(
        Duration.decode(by),
        Duration.subtract(
          Duration.decode(upTo),
          Option.getOrElse(known.duration, () =>
            Duration.infinity)
        )
      )

    /** Returns how long to wait before the next step. */
    const prolonged = (policy: Extension, left: number): Effect.Effect<number> =>
      Effect.gen(function*() {
        const by = nextStep(policy)
        if (Duration.equals(by, Duration.zero)) {
          grows = false
          yield* warn(left, `: it has reached the ${Duration.format(Duration.decode(policy.upTo))} of \`extend.upTo\``)
          return betweenLooks
        }
        const asked = yield* monotonicClock.currentMillis
        const answer = yield* Effect.either(controller.within(lookBound).extendLease(name, by))
        if (Either.isRight(answer)) {
          yield* learn(answer.right, asked)
          yield* extended(by)
          yield* Effect.logInfo(`${title} was extended by ${Duration.format(by)}`)
          return shortly
        }
        const error = answer.left
        yield* Effect.logWarning(`${title} could not be extended, and ends in ${shownTime(left)}: ${error.message}`)
        if (error.reason === "NotExtendable" || error.reason === "NotYours") grows = false
        return Math.max(shortly, left / 4)
      })

    /** Does what is due, and waits until the next look. */
    const wait: Effect.Effect<void> = Effect.gen(function*() {
      if (end !== undefined) return
      const left = deadline - (yield* monotonicClock.currentMillis)
      if (left <= -Duration.toMillis(reading.margin)) {
        // The controller is away, and the lease is over by its last word.
        const at = yield* DateTime.now
        yield* noticed(new LeaseEnded({ lease: name, how: "Expired", at, details: "its duration is over" }))
        return
      }
      let pause = betweenLooks
      if (policy !== undefined && grows) {
        const early = left - Duration.toMillis(policy.whenLeft)
        pause = Math.min(pause, early > 0 ? early : yield* prolonged(policy, left))
      } else if (left <= warnBefore) yield* warn(left, "")
      yield* Effect.sleep(Duration.millis(Math.max(shortly / 4, Math.min(pause, left > 0 ? left : shortly))))
    })

    const query = sharedQuery.make(look(askBound))

    const ask = Effect.suspend(() => end === undefined ? Effect.map(query, () => end) : Effect.succeed(end))

    return {
      run: interruptible.raceFirst(
        Deferred.await(over),
        // The lease was read when it was acquired.
        Effect.zipRight(wait, Effect.forever(Effect.zipRight(look(lookBound), wait)))
      ),
      end: () => end,
      ask,
      askUnlessKnown: Effect.flatMap(monotonicClock.currentMillis, (now) =>
        end === undefined && now - learned < fresh ? Effect.succeed(undefined) : ask),
      extend: (by) =>
        Effect.gen(function*() {
          const asked = yield* monotonicClock.currentMillis
          const lease = yield* controller.extendLease(name, by)
          yield* learn(lease, asked)
          yield* extended(Duration.decode(by))
          const now = yield* DateTime.now
          return DateTime.addDuration(
            now,
            Option.getOrElse(reading.remaining(lease), () =>
              Duration.zero)
          )
        }).pipe(
          Effect.catchAll((error): Effect.Effect<never, ControllerError | LeaseEnded | LeaseError> => {
            switch (error.reason) {
              case "Ended":
              case "NotFound":
              case "NotYours":
                return Effect.zipRight(
                  look(lookBound),
                  Effect.suspend(() =>
                    Effect.fail(end ?? error)
                  )
                )
              case "NotExtendable":
                return new LeaseError({
                  reason: "NotExtendable",
                  lease: name,
                  request: requested,
                  details: error.details,
                  cause: error
                })
              default:
                return error
            }
          })
        )
    }
  })
