// Creates a lease, and waits until it has an exporter.
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type ControllerError, mayPass } from "../controller/controllerError.ts"
import type { LeaseInfo } from "../controller/records.ts"
import * as telemetry from "../telemetry/leases.ts"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import * as endings from "./endings.ts"
import type { LeaseError } from "./leaseError.ts"
import { LeaseState } from "./LeaseState.ts"
import * as pauses from "./pauses.ts"
import type { Progress } from "./progress.ts"
import * as reading from "./reading.ts"
import * as refusal from "./refusal.ts"
import type { Release } from "./release.ts"
import { shownTime } from "./shownTime.ts"
import type { Terms } from "./terms.ts"

/** A lease that has an exporter, as the controller reported it. `asked` is when that was requested, on the monotonic clock. */
export interface Acquired {
  readonly exporter: string
  readonly lease: LeaseInfo
  readonly asked: number
}

interface Steps {
  readonly release: Release
  readonly progress: Progress
}

const betweenCreates = Duration.seconds(1)

const betweenLines = 60_000

// ---- The request

/** Creates the lease once: a repetition is recognised by its name. */
const created = (
  { controller: { config }, creates, name, title }: Terms,
  { release }: Steps
): Effect.Effect<void, ControllerError> => {
  if (creates === undefined) return Effect.void
  const attempt = Effect.flatMap(release.mayExist, (unsure) =>
    release.create((controller) =>
      Effect.catchIf(
        controller.createLease(creates),
        ({ reason }) => unsure && reason === "AlreadyExists",
        (exists) =>
          Effect.filterOrFail(
            controller.lease(name),
            ({ client }) => Option.contains(client, config.name),
            () => exists
          )
      )
    ))
  return attempt.pipe(
    Effect.tapError((error) =>
      mayPass(error)
        ? Effect.logInfo(`${title} is not created yet: ${error.message}`)
        : Effect.void
    ),
    Effect.retry({ while: (error) => Effect.as(Effect.sleep(betweenCreates), mayPass(error)) })
  )
}

// ---- The wait

/** How long the lease may have no exporter. The wait for its begin comes on top. */
const bound = ({ beginTime, waitAtMost }: Terms) =>
  beginTime === undefined
    ? Effect.succeed(waitAtMost)
    : Effect.map(pauses.timeUntil(beginTime), (early) => Duration.sum(waitAtMost, early))

const waited = (
  terms: Terms,
  { progress }: Steps,
  seen: { last: string }
): Effect.Effect<Acquired, LeaseError | ControllerError> => {
  const { controller, creates, name, title } = terms
  const owner = controller.config.name

  const announce = (text: string) => Effect.logInfo(`${title} ${text}`)

  return Effect.gen(function*() {
    const begun = yield* monotonicClock.currentMillis
    let nextLine = begun + betweenLines
    for (let looks = 1;; looks++) {
      const asked = yield* monotonicClock.currentMillis
      const elapsed = Duration.millis(asked - begun)
      const answer = yield* Effect.either(controller.lease(name))
      let pause = pauses.after(looks, elapsed)
      if (Either.isLeft(answer)) {
        const error = answer.left
        if (error.reason === "NotFound") {
          return yield* creates === undefined
            ? refusal.failure(terms, "NotFound", error.details, error)
            : refusal.failure(terms, "Ended", "the controller no longer knows it", error)
        }
        if (!mayPass(error)) return yield* error
        seen.last = error.message
      } else {
        const now = reading.of(answer.right, owner)
        switch (now._tag) {
          case "Ready":
            yield* progress.become(LeaseState.Acquired({ exporter: now.exporter }))
            yield* announce(`has the exporter ${now.exporter} (after ${shownTime(asked - begun)})`)
            yield* telemetry.waited(now.exporter, asked - begun)
            return { exporter: now.exporter, lease: answer.right, asked }
          case "Refused":
            return yield* refusal.refused(terms, now)
          case "Over": {
            const end = yield* endings.of(name, now)
            return yield* refusal.failure(terms, now.how === "Transferred" ? "NotYours" : "Ended", end.message, end)
          }
          case "Waiting":
            seen.last = now.message
            if (yield* progress.become(LeaseState.Waiting({ reason: now.reason, message: now.message }))) {
              yield* announce(`waits for an exporter: ${now.message}`)
              nextLine = asked + betweenLines
            }
            break
          case "Scheduled":
            seen.last = "it has not begun"
            if (yield* progress.become(LeaseState.Scheduled({ begins: now.begins }))) {
              yield* announce(`begins at ${DateTime.formatIso(now.begins)}`)
            }
            pause = yield* Effect.map(pauses.timeUntil(now.begins), pauses.before)
            break
          case "Requested":
            seen.last = "the controller has not looked at it"
        }
      }
      if (asked >= nextLine) {
        nextLine = asked + betweenLines
        yield* announce(`still waits after ${shownTime(asked - begun)}: ${seen.last}`)
      }
      yield* Effect.sleep(pause)
    }
  })
}

/** Creates the lease, and waits until it has an exporter, as long as its terms allow. */
export const acquire = (terms: Terms, steps: Steps): Effect.Effect<Acquired, LeaseError | ControllerError> =>
  Effect.flatMap(bound(terms), (duration) => {
    const seen = { last: "the controller was not reached" }
    return interruptible.timeoutFail(Effect.zipRight(created(terms, steps), waited(terms, steps, seen)), {
      duration,
      onTimeout: () =>
        refusal.failure(
          terms,
          "WaitedTooLong",
          `it had no exporter within ${Duration.format(duration)} (waitAtMost): ${seen.last}`
        )
    })
  })
