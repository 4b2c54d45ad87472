// A wall clock that jumps while a program runs. Everything else comes from the clock that it wraps, such as the test's.
import { Clock, Duration, Effect } from "effect"

/** Runs a program with a clock that jumps by `by` at each reading, forward or back. */
export const withJumpingClock =
  (by: Duration.DurationInput, direction: "forward" | "back") =>
  <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.clockWith((clock) => {
      let offset = 0
      const jump = () => {
        offset += Duration.toMillis(by) * (direction === "forward" ? 1 : -1)
        return clock.unsafeCurrentTimeMillis() + offset
      }
      const jumping = Object.assign(Clock.make(), {
        unsafeCurrentTimeMillis: jump,
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        currentTimeMillis: Effect.sync(jump),
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration: Duration.Duration) => clock.sleep(duration)
      })
      return Effect.withClock(program, jumping)
    })
