// A clock that shortens the waits that the test chooses. Time limits that a test waits for end soon, and the others stay long
// enough for a busy machine.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export const make = (isHurried: (duration: Duration.Duration) => boolean, part = 0.01): Clock.Clock => {
  const clock = Clock.make()
  return Object.assign(Clock.make(), {
    sleep: (duration: Duration.Duration) =>
      Effect.suspend(() => clock.sleep(isHurried(duration) ? Duration.times(duration, part) : duration))
  })
}
