// Pulls: effects that return the next value each time they run, and fail with `None` after the last one. Running a `Stream`
// over a pull costs some 500 steps even when it is empty, which is more than most calls take.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

// Runs `f` with each value until the pull ends.
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
