/**
 * Byte streams: a pull-based stream of incoming bytes, an effect that writes, and a half-close that leaves reading open.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { MemoryPipe } from "../transport/memory/pipe.ts"
import * as pull from "../util/pull.ts"
import * as DriverFailure from "./DriverFailure.ts"
import * as streamEnd from "./streamEnd.ts"

/**
 * A bidirectional stream of bytes. Each direction has backpressure: a slow reader slows the writer down.
 *
 * @since 0.1.0
 * @category models
 */
export interface ByteStream<E> {
  /**
   * The peer's bytes, for one consumer at a time. The stream ends when the peer ends its direction, and fails when the peer is
   * cut off, so a truncated stream never looks complete.
   */
  readonly read: Stream.Stream<Uint8Array, E>
  /**
   * Writes bytes, and waits while the peer does not read. Do not change the bytes afterwards: they may not have been sent yet.
   * Fails once the stream has ended.
   */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, E>
  /** Ends the writing direction. Reading stays open. */
  readonly end: Effect.Effect<void>
  /** The name of the stream in errors. For a stream that a driver's client opened, it is the driver's path. */
  readonly name?: string | undefined
}

/**
 * Makes a byte stream from its parts, and infers their types.
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

/**
 * Makes a byte stream from a transformation: its input is what is written, and its output is what is read. A writer waits while
 * it is a mebibyte or 32 pieces ahead of the transformation. Writing after the end fails. Bytes that the transformation has not
 * read when it ends are discarded.
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
      // A writer must not wait for a transformation that has ended.
      read: transform(pull.chunks(input.take)).pipe(
        Stream.provideContext(services),
        Stream.ensuring(input.leave(Exit.void))
      ),
      write: (bytes) =>
        Effect.suspend(() =>
          ended ? DriverFailure.make("Connection", streamEnd.writtenAfter) : Effect.asVoid(input.send(bytes))
        ),
      end: Effect.suspend(() => {
        ended = true
        return input.end(Exit.void)
      })
    }
  })
