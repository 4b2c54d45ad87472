// Pulls: effects that return the next value each time they run, and fail with `None` after the last one. Running a `Stream`
// over a pull costs some 500 steps even when it is empty, which is more than most calls take.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const atEnd = <E>(end: Option.Option<E>): Effect.Effect<void, E> =>
  Option.isNone(end) ? Effect.void : Effect.fail(end.value)

// Runs `f` with each value until the pull ends.
export const forEach = <A, E, E2>(
  pull: Effect.Effect<A, Option.Option<E>>,
  f: (value: A) => Effect.Effect<void, E2>
): Effect.Effect<void, E | E2> => {
  const next: Effect.Effect<void, E | E2> = Effect.matchEffect(pull, {
    onFailure: atEnd,
    onSuccess: (value) => Effect.zipRight(f(value), next)
  })
  return next
}

// Takes all values until the pull ends.
export const drain = <A, E>(pull: Effect.Effect<A, Option.Option<E>>): Effect.Effect<void, E> => {
  const next: Effect.Effect<void, E> = Effect.matchEffect(pull, {
    onFailure: atEnd,
    onSuccess: () => next
  })
  return next
}
