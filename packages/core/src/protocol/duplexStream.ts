// Byte streams over the frames of `RouterService.Stream` (`protocol.md` 5).
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { clearTimeout, setTimeout } from "node:timers"
import * as Bytes from "../grpc/Bytes.ts"
import { type GrpcStatusError, refused } from "../grpc/GrpcStatus.ts"
import type { GrpcDuplex } from "../grpc/grpcTransport.ts"
import { acquireRelease } from "../util/acquired.ts"
import * as interruptible from "../util/interruptible.ts"
import * as pull from "../util/pull.ts"
import type { ByteStream } from "./ByteStream.ts"
import * as frame from "./routerFrame.ts"
import * as streamEnd from "./streamEnd.ts"

/** The largest payload of one frame, in bytes. A write up to this size stays one frame, so datagrams keep their boundaries. */
export const maxFrameBytes: number = 1024 * 1024

/**
 * A byte stream on top of a bidirectional RPC. `peerEnded` waits until the peer has ended its direction or the RPC has ended,
 * and fails unless that end was clean. Meanwhile it discards what the peer still sends.
 *
 * @since 0.1.0
 * @category models
 */
export interface DuplexStream extends ByteStream<GrpcStatusError> {
  /** Returns the next bytes of `read`; fails with `None` after the last ones. */
  readonly receive: Effect.Effect<Uint8Array, Option.Option<GrpcStatusError>>
  /** Like `receive`, with all bytes that have arrived: for a reader that takes everything, because another one would miss the rest. */
  readonly receiveAll: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<GrpcStatusError>>
  readonly peerEnded: Effect.Effect<void, GrpcStatusError>
}

/** Limits how long a closing stream waits for its peer, see `makeGrace`. */
export type Grace = (effect: Effect.Effect<void>) => Effect.Effect<void>

// In milliseconds.
const graceLimits = { sinceLast: 500, inAll: 5_000 }

/**
 * Makes the time limit that the closing streams of a connection share: each has half a second, which begins anew when another one ends, and
 * five seconds in all. A peer that is slow, but not stuck, ends one after the other. A program that closes hundreds at once would otherwise
 * cancel most of them, and a server on Node 20 closes a connection with a thousand cancelled RPCs.
 *
 * Use it only where an interruption waits, as in a finalizer: it would leave the fiber and the timer behind. Effect's time limits need one
 * more fiber, and merge the FiberRefs of both, which costs as much as the rest of a small stream. The time is real.
 */
export const makeGrace = ({ inAll, sinceLast } = graceLimits): Grace => {
  let lastEnd = 0
  return (effect) =>
    Effect.flatMap(interruptible.forkDaemon(effect), (fiber) => {
      const begin = performance.now()
      let timer: NodeJS.Timeout | undefined
      const look = (): void => {
        const left = Math.min(Math.max(begin, lastEnd) + sinceLast, begin + inAll) - performance.now()
        if (left > 0) timer = setTimeout(look, left)
        else fiber.unsafeInterruptAsFork(fiber.id())
      }
      look()
      return Effect.flatMap(Fiber.await(fiber), (exit) => {
        clearTimeout(timer)
        if (Exit.isFailure(exit)) return Cause.isInterruptedOnly(exit.cause) ? Effect.void : exit
        lastEnd = performance.now()
        return Effect.void
      })
    })
}

interface Side extends Pick<GrpcDuplex, "receive" | "send"> {
  readonly halfClose: Effect.Effect<void>
}

const noMore = Exit.fail(Option.none<GrpcStatusError>())

const makeStream = (side: Side, malformed: (cause: unknown) => GrpcStatusError) => {
  const state = { peerEnded: false, ended: false, wrote: false }

  // Messages arrive in batches, and large payloads in pieces. The rest that one reader leaves, a GOAWAY included, is kept for the
  // next reader.
  let batch: ReadonlyArray<Bytes.Bytes> = []
  let next = 0
  let pieces: ReadonlyArray<Uint8Array> = []
  let nextPiece = 0

  // Why the next message cannot be read.
  let failure: GrpcStatusError | undefined

  // Returns the next payload that has arrived, or the next piece of one, and undefined when there is none. Messages after a GOAWAY are
  // ignored, as in the reference implementation.
  const arrived = (): Uint8Array | undefined => {
    while (!state.peerEnded && failure === undefined) {
      const piece = pieces[nextPiece++]
      if (piece !== undefined) {
        if (piece.length > 0) return piece
        continue
      }
      const message = batch[next++]
      if (message === undefined) return undefined
      try {
        const { kind, payload } = frame.decode(message)
        if (kind === "goAway") state.peerEnded = true
        pieces = kind === "data" ? Bytes.pieces(payload) : []
        nextPiece = 0
      } catch (cause) {
        failure = malformed(cause)
      }
    }
    return undefined
  }

  const receive: Effect.Effect<Uint8Array, Option.Option<GrpcStatusError>> = Effect.suspend(() => {
    const piece = arrived()
    if (piece !== undefined) return Effect.succeed(piece)
    if (failure !== undefined) {
      const error = failure
      failure = undefined
      return Effect.fail(Option.some(error))
    }
    if (state.peerEnded) return noMore
    return Effect.matchEffect(side.receive, {
      onFailure: (end) => {
        if (Option.isNone(end)) state.peerEnded = true
        return Effect.fail(end)
      },
      onSuccess: (chunk) => {
        batch = Chunk.toReadonlyArray(chunk)
        next = 0
        return receive
      }
    })
  })

  const receiveAll = Effect.map(receive, (first) => {
    const all = [first]
    for (let piece = arrived(); piece !== undefined; piece = arrived()) all.push(piece)
    return Chunk.unsafeFromArray(all)
  })

  const write = (bytes: Uint8Array): Effect.Effect<void, GrpcStatusError> => {
    if (bytes.length === 0) return Effect.void
    // The peer ignores messages after a GOAWAY.
    if (state.ended) return refused({ rpc: "", target: "" }, "FAILED_PRECONDITION", streamEnd.writtenAfter)
    state.wrote = true
    return bytes.length <= maxFrameBytes
      ? side.send(frame.encodeData(bytes))
      : Effect.zipRight(
        side.send(frame.encodeData(bytes.subarray(0, maxFrameBytes))),
        Effect.suspend(() => write(bytes.subarray(maxFrameBytes)))
      )
  }

  // A failure to send the GOAWAY means that the peer is gone, and then it needs none.
  const goodbye = Effect.ignore(side.send(frame.goAway))

  const endAfter = (goodbye: Effect.Effect<void>) =>
    Effect.suspend(() => {
      if (state.ended) return Effect.void
      state.ended = true
      return Effect.zipRight(goodbye, side.halfClose)
    })

  const end = endAfter(Effect.onInterrupt(goodbye, () =>
    Effect.sync(() => {
      state.ended = false
    })))

  const stream: DuplexStream = {
    receive,
    receiveAll,
    read: pull.values(receive),
    write,
    end,
    peerEnded: pull.drain(receive)
  }
  return { state, stream, finish: endAfter(goodbye) }
}

/**
 * Makes the calling side of a stream. When its scope closes, the RPC is cancelled so that no device stays open on the exporter.
 * The Python client leaves it open.
 *
 * With `closing: "flush"`, a scope that closes with success after something was written first lets the peer finish reading: it
 * ends the writing direction and waits for the peer's end, within `grace`. The wait is in real time, so a scope cannot hang on a
 * test's clock.
 *
 * Set `peerEndsRpc` for a peer that ends the RPC itself once both directions have ended. The scope then waits for that end instead
 * of cancelling, because servers count cancelled RPCs and close connections with too many.
 */
export const fromDuplex = (
  duplex: GrpcDuplex,
  malformed: (cause: unknown) => GrpcStatusError,
  options: {
    readonly closing: "flush" | "cancel"
    readonly grace: Grace
    readonly peerEndsRpc?: boolean | undefined
  }
): Effect.Effect<DuplexStream, never, Scope.Scope> =>
  Effect.map(
    acquireRelease(
      Effect.sync(() => makeStream(duplex, malformed)),
      ({ finish, state, stream }, exit) => {
        const flush = Effect.suspend(() =>
          state.wrote && !state.peerEnded ? Effect.zipRight(finish, Effect.ignore(stream.peerEnded)) : Effect.void
        )
        const settle = Effect.suspend(() =>
          state.peerEnded && options.peerEndsRpc === true
            ? Effect.zipRight(finish, Effect.ignore(duplex.status))
            : Effect.void
        )
        return Effect.zipRight(
          options.closing === "flush" && Exit.isSuccess(exit) && (state.wrote || state.peerEnded)
            ? options.grace(Effect.zipRight(flush, settle))
            : Effect.void,
          duplex.cancel
        )
      }
    ),
    ({ stream }) => stream
  )

/**
 * Makes the serving side of a stream. Its `end` only sends a GOAWAY: a server half-closes by ending the RPC.
 */
export const fromServerDuplex = (
  duplex: Pick<GrpcDuplex, "receive" | "send">,
  malformed: (cause: unknown) => GrpcStatusError
): DuplexStream => makeStream({ receive: duplex.receive, send: duplex.send, halfClose: Effect.void }, malformed).stream
