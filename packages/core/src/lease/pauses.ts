// The pauses between requests to the controller. There is none at first, because a free exporter is leased and prepared within a quarter
// of a second. The pauses then grow.
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const growing = Duration.clamp({ minimum: "25 millis", maximum: "3 seconds" })

const coming = Duration.clamp({ minimum: "25 millis", maximum: "30 seconds" })

// Each takes as long as an RPC does.
const atOnce = 5

/** The pause after a number of requests and the time that they took. */
export const after = (looks: number, elapsed: Duration.Duration): Duration.Duration =>
  looks <= atOnce ? Duration.zero : growing(Duration.times(elapsed, 1 / 8))

/** The time until a time of day, by a clock that may differ from the controller's by minutes. */
export const timeUntil = (time: DateTime.Utc): Effect.Effect<Duration.Duration> =>
  Effect.map(DateTime.now, (now) => Duration.millis(Math.max(0, DateTime.distance(now, time))))

/** The pause while something is expected after this time. */
export const before = (early: Duration.Duration): Duration.Duration => coming(Duration.times(early, 1 / 4))
