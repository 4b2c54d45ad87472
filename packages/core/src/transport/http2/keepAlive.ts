// Pings the peer of a connection, to notice a peer that is gone without closing it.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Http2Session } from "node:http2"
import { clearTimeout, setTimeout } from "node:timers"
import * as interruptible from "../../util/interruptible.ts"
import * as httpEnding from "../http/ending.ts"

const ping = (session: Http2Session): Effect.Effect<void, "closed"> =>
  Effect.async((resume) => {
    if (session.destroyed) return resume(Effect.fail("closed"))
    session.ping((error) => resume(error === null ? Effect.void : Effect.fail("closed")))
  })

// The longest time of Node's timers, almost 25 days.
const longest = 2 ** 31 - 1

// Sleeps in real time, which is the peer's time, and does not keep the process alive.
const pass = (time: Duration.DurationInput): Effect.Effect<void> =>
  Duration.toMillis(time) > longest ? Effect.never : Effect.async((resume) => {
    const timer = setTimeout(() => resume(Effect.void), Duration.toMillis(time)).unref()
    return Effect.sync(() => clearTimeout(timer))
  })

// Pings every `time`, and destroys the connection when an answer takes longer than `timeout`. Ends after the connection. A
// connection that is shutting down answers no pings, although RPCs on it may still be running.
export const run = (
  session: Http2Session,
  time: Duration.DurationInput,
  timeout: Duration.DurationInput
): Effect.Effect<void> =>
  interruptible.raceFirst(ping(session), Effect.zipRight(pass(timeout), Effect.fail("silent"))).pipe(
    (asking) => Effect.zipRight(pass(time), asking),
    Effect.forever,
    Effect.catchAll((end) => end === "silent" ? httpEnding.destroy(session) : Effect.void)
  )

// Interrupts a fiber of `run` as soon as the connection closes.
export const stopWith = (session: Http2Session, fiber: Fiber.RuntimeFiber<void>): void => {
  session.once("close", () => fiber.unsafeInterruptAsFork(fiber.id()))
}
