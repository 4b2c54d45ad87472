// A clock on which the waits that the test names take a part of their time: what gives up after a while does so soon, and what answers
// on a machine that has other things to do is not given up.
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
