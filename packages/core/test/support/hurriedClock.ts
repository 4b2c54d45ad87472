// A clock on which waits take a part of their time, as long as the test says so: what gives up after a while does so soon, and
// what answers on a machine that has other things to do is not given up.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export const make = (isHurried: () => boolean, part = 0.01): Clock.Clock => {
  const clock = Clock.make()
  return Object.assign(Clock.make(), {
    sleep: (duration: Duration.Duration) =>
      Effect.suspend(() => clock.sleep(isHurried() ? Duration.times(duration, part) : duration))
  })
}
