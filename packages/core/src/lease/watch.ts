// A lease that is held: when it ends, how that is noticed, and how the end is put off.
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { ControllerClient, ControllerError } from "../controller/Controller.ts"
import type { LeaseInfo } from "../controller/records.ts"
import { LeaseEnded } from "../protocol/LeaseEnded.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import type { Acquired } from "./acquisition.ts"
import * as endings from "./endings.ts"
import { LeaseError } from "./leaseError.ts"
import { describe, type Extension, type LeaseRequest } from "./leaseRequest.ts"
import * as reading from "./reading.ts"
import { shownTime } from "./shownTime.ts"

interface Held {
  readonly controller: ControllerClient
  readonly name: string
  readonly request: LeaseRequest
  readonly acquired: Acquired
}

export interface Watch {
  /** Watches until the lease is over. */
  readonly run: Effect.Effect<LeaseEnded>
  readonly ended: Effect.Effect<LeaseEnded>
  /** Adds to the duration, and answers when the lease ends now. */
  readonly extend: (
    by: Duration.DurationInput
  ) => Effect.Effect<DateTime.Utc, ControllerError | LeaseEnded | LeaseError>
}

const betweenLooks = 30_000

// At the end, and after an extension that was refused.
const shortly = 1_000

// One look, of which some fit into the time that is left when the controller is away.
const lookBound = Duration.seconds(5)

// What `reading.remaining` takes off.
const margin = 1_000

// Without a policy, and where the policy ends.
const warnBefore = 5 * 60_000

export const make = ({ acquired, controller, name, request }: Held): Effect.Effect<Watch> =>
  Effect.gen(function*() {
    const over = yield* Deferred.make<LeaseEnded>()
    let known = acquired.lease
    /** Of the monotonic clock. */
    let deadline = Infinity
    let warned = false
    const policy: Extension | undefined = request.extend
    let grows = policy !== undefined

    const learn = (lease: LeaseInfo, asked: number) =>
      Effect.sync(() => {
        known = lease
        Option.map(reading.remaining(lease), (left) => {
          deadline = asked + Duration.toMillis(left)
        })
      })
    yield* learn(acquired.lease, acquired.asked)

    const gone = Effect.map(DateTime.now, (at) =>
      new LeaseEnded({ lease: name, how: "Deleted", at, details: "the controller does not have it any more" }))

    /** The end, if the controller knows of one. What it does not answer leaves everything as it was. */
    const look: Effect.Effect<Option.Option<LeaseEnded>> = Effect.gen(function*() {
      const asked = yield* monotonicClock.currentMillis
      const answer = yield* Effect.either(controller.within(lookBound).lease(name))
      if (Either.isLeft(answer)) {
        if (answer.left.reason === "NotFound") {
          return Option.some(yield* gone)
        }
        yield* Effect.logDebug(`the lease ${name} could not be looked at`, answer.left)
        return Option.none()
      }
      const now = reading.of(answer.right, controller.config.name)
      if (now._tag === "Over") {
        return Option.some(yield* endings.of(name, now))
      }
      yield* learn(answer.right, asked)
      return Option.none()
    })

    const warn = (left: number, why: string) =>
      Effect.suspend(() => {
        if (warned) {
          return Effect.void
        }
        warned = true
        return Effect.logWarning(`the lease ${name} of ${describe(request)} ends in ${shownTime(left)}${why}`)
      })

    /** By how much the policy extends now; nothing at its limit. */
    const nextStep = ({ by, upTo }: Extension): Duration.Duration =>
      Duration.min(
        Duration.decode(by),
        Duration.subtract(
          Duration.decode(upTo),
          Option.getOrElse(known.duration, () =>
            Duration.infinity)
        )
      )

    /** Answers when to try again. */
    const prolonged = (policy: Extension, left: number): Effect.Effect<number> =>
      Effect.gen(function*() {
        const by = nextStep(policy)
        if (Duration.equals(by, Duration.zero)) {
          grows = false
          yield* warn(
            left,
            `: it has been extended to the ${Duration.format(Duration.decode(policy.upTo))} of its policy (upTo)`
          )
          return betweenLooks
        }
        const asked = yield* monotonicClock.currentMillis
        const answer = yield* Effect.either(controller.within(lookBound).extendLease(name, by))
        if (Either.isRight(answer)) {
          yield* learn(answer.right, asked)
          yield* Effect.logInfo(`the lease ${name} was extended by ${Duration.format(by)}`)
          return shortly
        }
        const error = answer.left
        yield* Effect.logWarning(
          `the lease ${name} could not be extended, and ends in ${shownTime(left)}: ${error.message}`
        )
        if (error.reason === "NotExtendable" || error.reason === "NotYours") grows = false
        return Math.max(shortly, left / 4)
      })

    const step: Effect.Effect<Option.Option<LeaseEnded>> = Effect.gen(function*() {
      const end = yield* look
      if (Option.isSome(end)) return end
      const left = deadline - (yield* monotonicClock.currentMillis)
      if (left <= -margin) {
        // The controller is away, and the lease is over by its last word.
        const at = yield* DateTime.now
        return Option.some(new LeaseEnded({ lease: name, how: "Expired", at, details: "its duration is over" }))
      }
      let pause = betweenLooks
      if (policy !== undefined && grows) {
        const early = left - Duration.toMillis(policy.whenLeft)
        pause = Math.min(pause, early > 0 ? early : yield* prolonged(policy, left))
      } else if (left <= warnBefore) yield* warn(left, "")
      yield* Effect.sleep(Duration.millis(Math.max(shortly / 4, Math.min(pause, left > 0 ? left : shortly))))
      return Option.none()
    })

    return {
      ended: Deferred.await(over),
      run: Effect.repeat(step, { until: (end): end is Option.Some<LeaseEnded> => Option.isSome(end) }).pipe(
        Effect.map(({ value }) => value),
        Effect.tap((end) => Deferred.succeed(over, end))
      ),
      extend: (by) =>
        Effect.gen(function*() {
          const asked = yield* monotonicClock.currentMillis
          const lease = yield* controller.extendLease(name, by)
          yield* learn(lease, asked)
          const now = yield* DateTime.now
          return DateTime.addDuration(now, Option.getOrElse(reading.remaining(lease), () => Duration.zero))
        }).pipe(
          Effect.catchAll((error): Effect.Effect<never, ControllerError | LeaseEnded | LeaseError> => {
            switch (error.reason) {
              case "Ended":
              case "NotFound":
              case "NotYours":
                return Effect.flatMap(
                  look,
                  (end): Effect.Effect<never, ControllerError | LeaseEnded> => Option.isSome(end) ? end.value : error
                )
              case "NotExtendable":
                return new LeaseError({
                  reason: "NotExtendable",
                  lease: name,
                  request: describe(request),
                  details: error.details,
                  cause: error
                })
              default:
                return Effect.fail(error)
            }
          })
        )
    }
  })
