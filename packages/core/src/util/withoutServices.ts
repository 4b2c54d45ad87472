// Hides the services of the program around an effect. What the effect captures, such as a runtime, has none of them either.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

export const withoutServices = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.mapInputContext(effect, (_: Context.Context<never>) => Context.empty())
