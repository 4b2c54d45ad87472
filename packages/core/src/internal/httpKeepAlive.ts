// Asks the peer of a connection for a sign of life, so that one that is gone without a word is noticed.
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Http2Session } from "node:http2"

const ping = (session: Http2Session): Effect.Effect<void, "closed"> =>
  Effect.async((resume) => {
    if (session.closed || session.destroyed) return resume(Effect.fail("closed"))
    session.ping((error) => resume(error === null ? Effect.void : Effect.fail("closed")))
  })

// Ends after the connection has, and ends it when an answer takes longer than `timeout`.
export const run = (
  session: Http2Session,
  time: Duration.DurationInput,
  timeout: Duration.DurationInput
): Effect.Effect<void> =>
  ping(session).pipe(
    Effect.timeoutFail({ duration: timeout, onTimeout: () => "silent" as const }),
    Effect.delay(time),
    Effect.forever,
    Effect.catchAll(() => Effect.sync(() => session.destroy()))
  )

// Ends a fiber that runs this as soon as the connection has.
export const stopWith = (session: Http2Session, fiber: Fiber.RuntimeFiber<void>): void => {
  session.once("close", () => fiber.unsafeInterruptAsFork(fiber.id()))
}
