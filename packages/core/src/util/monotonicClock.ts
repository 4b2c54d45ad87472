// Milliseconds for measuring durations. NTP or a person may set the wall clock forward or back while a program runs; this clock
// never jumps. Its zero is arbitrary, so only the difference between two values has a meaning. `TestClock` drives it.
import * as Effect from "effect/Effect"

// The test clock's `currentTimeNanos` dies when the test's time has a fraction of a nanosecond.
export const currentMillis: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.sync(() => Number(clock.unsafeCurrentTimeNanos()) / 1e6)
)
