// Keeps what a driver writes in memory, up to a limit.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Bytes from "../grpc/Bytes.ts"

/**
 * A driver writes more bytes than `Resource.toBytes` keeps in memory.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransferTooLarge extends Schema.TaggedError<TransferTooLarge>(
  "@effect-jumpstarter/core/Resource/TransferTooLarge"
)("TransferTooLarge", { limit: Schema.Number }) {
  override get message(): string {
    return `the transfer has more than ${this.limit} bytes (limit of Resource.toBytes); raise the limit, or use Resource.toFile`
  }
}

export const collect = (limit: number): Sink.Sink<Uint8Array, Uint8Array, never, TransferTooLarge> =>
  Sink.suspend(() => {
    const pieces: Array<Uint8Array> = []
    let size = 0
    const keep = (piece: Uint8Array) => {
      size += piece.length
      if (size > limit) return new TransferTooLarge({ limit })
      pieces.push(piece)
      return Effect.void
    }
    return Sink.map(Sink.forEach(keep), () => Bytes.join(pieces))
  })
