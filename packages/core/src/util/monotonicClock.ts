// Milliseconds for durations. The wall clock is set forward and back while a program runs, by NTP or by hand; this one never
// jumps. The zero is arbitrary, so a value makes sense only next to another one. `TestClock` drives it.
import * as Effect from "effect/Effect"

// `Clock.currentTimeNanos` of the test clock is a defect when the test's time has a fraction of a nanosecond.
export const currentMillis: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.sync(() => Number(clock.unsafeCurrentTimeNanos()) / 1e6)
)
