/**
 * Byte streams: a pull-based stream in, an effect that writes out, and a half-close that is not a close.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { MemoryPipe } from "../transport/memory/pipe.ts"
import * as DriverFailure from "./DriverFailure.ts"

/**
 * Two directions of bytes. Each is bounded: reading slowly slows the peer's writing down, and the other way round.
 *
 * @since 0.1.0
 * @category models
 */
export interface ByteStream<E> {
  /**
   * The peer's bytes, for one consumer at a time. It ends when the peer ended its direction and fails when it was cut
   * off; it is never merely short.
   */
  readonly read: Stream.Stream<Uint8Array, E>
  /**
   * Writes bytes, waiting while the peer does not read. They must not be changed afterwards: they may still be on their
   * way. Fails once the stream has ended.
   */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, E>
  /** Ends this direction. The other one stays open. */
  readonly end: Effect.Effect<void>
  /** What errors call it: the driver's path, where a driver's client has opened it. */
  readonly name?: string | undefined
}

/**
 * A byte stream of its parts, which gives their types to them.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { ByteStream } from "@effect-jumpstarter/core"
 * import { Effect, Stream } from "effect"
 *
 * const silent = ByteStream.make({
 *   read: Stream.never,
 *   write: (bytes) => Effect.log(`${bytes.length} bytes`),
 *   end: Effect.void
 * })
 * ```
 */
export const make = <E = never>(stream: ByteStream<E>): ByteStream<E> => stream

const endedDetails = "the byte stream has ended, nothing more can be written"

/**
 * A byte stream that reads what a transformation makes of what is written. A writer waits when it is a mebibyte, or 32 pieces,
 * ahead of the transformation. What is written after the end fails; what a transformation that is over has not read is
 * discarded.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { ByteStream, Driver } from "@effect-jumpstarter/core"
 * import { Network } from "@effect-jumpstarter/core/drivers"
 *
 * const echo = Driver.fromInterface(Network.contract, { connect: ByteStream.transform((input) => input) })
 * ```
 */
export const transform = <E = never, R = never>(
  transform: (input: Stream.Stream<Uint8Array>) => Stream.Stream<Uint8Array, E, R>
): Effect.Effect<ByteStream<E | DriverFailure.DriverFailure>, never, R> =>
  Effect.map(Effect.context<R>(), (services) => {
    const input = new MemoryPipe<never>()
    let ended = false
    return {
      // What is not read any more must not keep the writer waiting.
      read: transform(Stream.repeatEffectChunkOption(input.take)).pipe(
        Stream.provideContext(services),
        Stream.ensuring(input.leave(Exit.void))
      ),
      write: (bytes) =>
        Effect.suspend(() => ended ? DriverFailure.make("Connection", endedDetails) : Effect.asVoid(input.send(bytes))),
      end: Effect.suspend(() => {
        ended = true
        return input.end(Exit.void)
      })
    }
  })
