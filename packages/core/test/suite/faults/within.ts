// How long things may take here.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** Nothing takes that long; it is for a machine that has other things to do. */
export const bound = Duration.seconds(20)

/** How long something is watched that should go on waiting. */
export const patience = Duration.millis(300)

/** Dies when something takes too long, even if it cannot be interrupted. */
export const within = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.timeoutFailCause(Effect.disconnect(effect), {
    duration: bound,
    onTimeout: () => Cause.die(new Error(`${what} takes longer than ${Duration.format(bound)}`))
  })
