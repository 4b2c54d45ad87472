// How long a question to the controller is not asked again: not at all at first, because a lease is ready and its exporter prepared
// within a quarter of a second where both are free, and then ever more slowly.
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const growing = Duration.clamp({ minimum: "25 millis", maximum: "3 seconds" })

const coming = Duration.clamp({ minimum: "25 millis", maximum: "30 seconds" })

// Each takes as long as an RPC does.
const atOnce = 5

/** After so many looks, in so long a time, without the answer that is waited for. */
export const after = (looks: number, elapsed: Duration.Duration): Duration.Duration =>
  looks <= atOnce ? Duration.zero : growing(Duration.times(elapsed, 1 / 8))

/** Until a time of day, which the controller has by a clock that may be minutes off. */
export const timeUntil = (time: DateTime.Utc): Effect.Effect<Duration.Duration> =>
  Effect.map(DateTime.now, (now) => Duration.millis(Math.max(0, DateTime.distance(now, time))))

/** While something is expected so much later. */
export const before = (early: Duration.Duration): Duration.Duration => coming(Duration.times(early, 1 / 4))
