// From a request to a lease that has an exporter.
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type ControllerClient, type ControllerError, isTransient } from "../controller/Controller.ts"
import type { ExporterInfo, LeaseInfo } from "../controller/records.ts"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import * as endings from "./endings.ts"
import { LeaseError, type LeaseReason } from "./leaseError.ts"
import { describe, type LeaseRequest } from "./leaseRequest.ts"
import { LeaseState } from "./LeaseState.ts"
import * as pauses from "./pauses.ts"
import type { Progress } from "./progress.ts"
import * as reading from "./reading.ts"
import type { Release } from "./release.ts"
import { shownTime } from "./shownTime.ts"

/** A lease with its exporter, as the controller answered to a request that was sent at a time of the monotonic clock. */
export interface Acquired {
  readonly exporter: string
  readonly lease: LeaseInfo
  readonly asked: number
}

interface Terms {
  readonly controller: ControllerClient
  readonly name: string
  readonly request: LeaseRequest
  readonly release: Release
  readonly progress: Progress
}

const defaultWait = Duration.hours(2)

const betweenCreates = Duration.seconds(1)

const betweenLines = 60_000

// The controller may be there again, or have more to say.
const mayPass = (error: ControllerError): boolean => isTransient(error) || error.reason === "TimedOut"

const failure = ({ name, request }: Terms, reason: LeaseReason, details: string, cause?: unknown) =>
  new LeaseError({
    reason,
    lease: name,
    request: describe(request),
    details,
    ...(cause === undefined ? {} : { cause })
  })

// ---- The request

/** Makes the lease, once: by its name a repetition is known. */
const created = ({ controller, name, release, request }: Terms): Effect.Effect<void, ControllerError> => {
  const { beginTime, duration, exporterName, selector, tags } = request
  const attempt = Effect.flatMap(release.mayExist, (unsure) =>
    release.create((controller) =>
      Effect.catchIf(
        controller.createLease({ name, selector, exporterName, duration, beginTime, tags }),
        ({ reason }) => unsure && reason === "AlreadyExists",
        (exists) =>
          Effect.filterOrFail(
            controller.lease(name),
            ({ client }) => Option.contains(client, controller.config.name),
            () => exists
          )
      )
    ))
  return attempt.pipe(
    Effect.tapError((error) =>
      mayPass(error)
        ? Effect.logInfo(`the lease ${name} is not made yet, because ${controller.target} gives no answer to that`)
        : Effect.void
    ),
    Effect.retry({ while: (error) => Effect.as(Effect.sleep(betweenCreates), mayPass(error)) })
  )
}

// ---- What a refusal is about

const shown = ({ enabled, name, online }: ExporterInfo): string => {
  const flaws = [...(online ? [] : ["offline"]), ...(enabled ? [] : ["disabled"])]
  return flaws.length === 0 ? name : `${name} (${flaws.join(", ")})`
}

const most = 10

/** The exporters that could have been meant. */
const candidates = ({ controller, request: { selector } }: Terms): Effect.Effect<string> => {
  const list = (selector?: string) =>
    Effect.map(
      Stream.runCollect(Stream.take(controller.within("5 seconds").exporters({ selector }), most + 1)),
      (exporters) => Array.from(exporters, shown)
    )
  const named = (title: string, names: ReadonlyArray<string>) =>
    `${title}: ${names.slice(0, most).join(", ")}${names.length > most ? ", and more" : ""}`
  return Effect.gen(function*() {
    const fitting = selector === undefined ? [] : yield* list(selector)
    if (fitting.length > 0) return named("exporters with these labels", fitting)
    const all = yield* list()
    const none = selector === undefined ? "" : "no exporter has these labels; "
    return all.length === 0 ? "there are no exporters" : `${none}${named("there are the exporters", all)}`
  }).pipe(
    Effect.catchAll((error) =>
      Effect.as(
        Effect.logDebug("the exporters of the lab could not be listed", error),
        "which exporters there are could not be found out"
      )
    )
  )
}

const refused = (terms: Terms, { message, reason }: reading.Refused): Effect.Effect<never, LeaseError> =>
  Effect.flatMap(candidates(terms), (candidates) => failure(terms, reason, `${message}; ${candidates}`))

// ---- The wait

/** How long there may be no exporter: the wait for a begin comes first. */
const bound = ({ beginTime, waitAtMost }: LeaseRequest) => {
  const wait = Duration.decode(waitAtMost ?? defaultWait)
  return beginTime === undefined
    ? Effect.succeed(wait)
    : Effect.map(pauses.timeUntil(beginTime), (early) => Duration.sum(wait, early))
}

const waited = (terms: Terms, seen: { last: string }): Effect.Effect<Acquired, LeaseError | ControllerError> => {
  const { controller, name, progress, request } = terms
  const owner = controller.config.name

  const announce = (text: string) => Effect.logInfo(`the lease ${name} of ${describe(request)} ${text}`)

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
          return yield* failure(terms, "Ended", "the controller does not have it any more")
        }
        if (!mayPass(error)) return yield* error
        seen.last = error.message
      } else {
        const now = reading.of(answer.right, owner)
        switch (now._tag) {
          case "Ready":
            if (yield* progress.become(LeaseState.Acquired({ exporter: now.exporter }))) {
              yield* announce(`has the exporter ${now.exporter} (after ${shownTime(asked - begun)})`)
            }
            return { exporter: now.exporter, lease: answer.right, asked }
          case "Refused":
            return yield* refused(terms, now)
          case "Over": {
            const end = yield* endings.of(name, now)
            return yield* failure(terms, now.how === "Transferred" ? "NotYours" : "Ended", end.message, end)
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

/** Makes the lease, and waits until it has an exporter, as long as the request allows. */
export const acquire = (terms: Terms): Effect.Effect<Acquired, LeaseError | ControllerError> =>
  Effect.flatMap(bound(terms.request), (duration) => {
    const seen = { last: "the controller was not reached" }
    return interruptible.timeoutFail(Effect.zipRight(created(terms), waited(terms, seen)), {
      duration,
      onTimeout: () =>
        failure(
          terms,
          "WaitedTooLong",
          `it had no exporter within ${Duration.format(duration)} (waitAtMost): ${seen.last}`
        )
    })
  })
