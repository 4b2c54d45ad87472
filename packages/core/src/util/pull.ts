// Pulls: effects that return the next value each time they run, and fail with `None` after the last one. Running a `Stream`
// over a pull costs some 500 steps even when it is empty, which is more than most calls take.
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

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

const streamOf = <A, B, E, R>(
  pull: Effect.Effect<A, Option.Option<E>, R>,
  toChunk: (value: A) => Chunk.Chunk<B>
): Stream.Stream<B, E, R> => {
  const next: Channel.Channel<Chunk.Chunk<B>, unknown, E, unknown, void, unknown, R> = Channel.unwrap(
    Effect.match(pull, {
      onFailure: (end) => Option.isNone(end) ? Channel.void : Channel.fail(end.value),
      onSuccess: (value) => Channel.flatMap(Channel.write(toChunk(value)), () => next)
    })
  )
  return Stream.fromChannel(next)
}

// A stream of the values of a pull. `Stream.repeatEffectOption` does the same in more steps, and V8 comes to put the objects that it
// makes for each value among the old ones, where they stay until the next collection of the whole heap.
export const values = <A, E, R>(pull: Effect.Effect<A, Option.Option<E>, R>): Stream.Stream<A, E, R> =>
  streamOf(pull, Chunk.of)

// A stream of what the chunks of a pull hold, like `Stream.repeatEffectChunkOption`.
export const chunks = <A, E, R>(pull: Effect.Effect<Chunk.Chunk<A>, Option.Option<E>, R>): Stream.Stream<A, E, R> =>
  streamOf(pull, (chunk) => chunk)
