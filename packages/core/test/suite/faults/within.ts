// Time limits of these tests.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** Generous, for a machine that is busy with other work. */
export const bound = Duration.seconds(20)

/** How long a test watches an operation that should continue to wait. */
export const patience = Duration.millis(300)

/** Dies when something takes too long, even if it cannot be interrupted. */
export const within = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.timeoutFailCause(Effect.disconnect(effect), {
    duration: bound,
    onTimeout: () => Cause.die(new Error(`${what} takes longer than ${Duration.format(bound)}`))
  })
