// Maps the items of a stream with a function that gets each item and its index, and can fail. The items before a failing one
// are still emitted. Items are mapped chunk by chunk: `Stream.mapEffect` would run an effect for every item, which costs more
// than the mapping itself.
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"

export const mapItems = <A, B, E, E2, R>(
  items: Stream.Stream<A, E, R>,
  f: (item: A, index: number) => Either.Either<B, E2>
): Stream.Stream<B, E | E2, R> =>
  Stream.suspend(() => {
    let index = 0
    const mapChunk = (
      chunk: Chunk.Chunk<A>
    ): Channel.Channel<Chunk.Chunk<B>, Chunk.Chunk<A>, E | E2, E, void, unknown> => {
      const mapped: Array<B> = []
      for (const item of chunk) {
        const result = f(item, index++)
        if (Either.isLeft(result)) {
          return Channel.zipRight(Channel.write(Chunk.unsafeFromArray(mapped)), Channel.fail(result.left))
        }
        mapped.push(result.right)
      }
      return Channel.zipRight(Channel.write(Chunk.unsafeFromArray(mapped)), mapChunks)
    }
    const mapChunks: Channel.Channel<Chunk.Chunk<B>, Chunk.Chunk<A>, E | E2, E, void, unknown> = Channel
      .readWithCause({
        onInput: mapChunk,
        onFailure: Channel.failCause,
        onDone: () => Channel.void
      })
    return Stream.pipeThroughChannel(items, mapChunks)
  })
