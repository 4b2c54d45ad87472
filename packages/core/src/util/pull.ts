// Effects that answer with the next of several things, and fail with `None` after the last. Running a stream of them takes
// some 500 steps whatever is in it, more than most calls.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

// Does something with each, until the last.
export const forEach = <A, E, E2>(
  pull: Effect.Effect<A, Option.Option<E>>,
  f: (value: A) => Effect.Effect<void, E2>
): Effect.Effect<void, E | E2> => {
  const next: Effect.Effect<never, Option.Option<E | E2>> = Effect.flatMap(
    pull,
    (value) => Effect.zipRight(Effect.mapError(f(value), Option.some), next)
  )
  return Effect.catchAll(next, Option.match({ onNone: () => Effect.void, onSome: Effect.fail<E | E2> }))
}
