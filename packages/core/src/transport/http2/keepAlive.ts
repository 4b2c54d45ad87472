// Asks the peer of a connection for a sign of life, so that one that is gone without a word is noticed.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Http2Session } from "node:http2"
import { clearTimeout, setTimeout } from "node:timers"
import * as interruptible from "../../util/interruptible.ts"

const ping = (session: Http2Session): Effect.Effect<void, "closed"> =>
  Effect.async((resume) => {
    if (session.destroyed) return resume(Effect.fail("closed"))
    session.ping((error) => resume(error === null ? Effect.void : Effect.fail("closed")))
  })

// Node's timers take no more, which is 25 days.
const longest = 2 ** 31 - 1

// In real time, which is the peer's, and without keeping the process alive for it.
const pass = (time: Duration.DurationInput): Effect.Effect<void> =>
  Duration.toMillis(time) > longest ? Effect.never : Effect.async((resume) => {
    const timer = setTimeout(() => resume(Effect.void), Duration.toMillis(time)).unref()
    return Effect.sync(() => clearTimeout(timer))
  })

// Ends after the connection has, and ends it when an answer takes longer than `timeout`. A connection that is wound up
// answers no pings any more, while RPCs on it may still be answered.
export const run = (
  session: Http2Session,
  time: Duration.DurationInput,
  timeout: Duration.DurationInput
): Effect.Effect<void> =>
  interruptible.raceFirst(ping(session), Effect.zipRight(pass(timeout), Effect.fail("silent"))).pipe(
    (asking) => Effect.zipRight(pass(time), asking),
    Effect.forever,
    Effect.catchAll((end) => end === "silent" ? Effect.sync(() => session.destroy()) : Effect.void)
  )

// Ends a fiber that runs this as soon as the connection has.
export const stopWith = (session: Http2Session, fiber: Fiber.RuntimeFiber<void>): void => {
  session.once("close", () => fiber.unsafeInterruptAsFork(fiber.id()))
}
