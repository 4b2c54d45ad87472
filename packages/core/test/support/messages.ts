import { type Chunk, type Effect, type Option, Stream } from "effect"

/** What one side of a bidirectional RPC receives. */
export const messages = <A, E>(receive: Effect.Effect<Chunk.Chunk<A>, Option.Option<E>>): Stream.Stream<A, E> =>
  Stream.repeatEffectChunkOption(receive)
