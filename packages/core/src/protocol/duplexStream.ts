// Byte streams over the frames of `RouterService.Stream` (`protocol.md` 5).
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../grpc/Bytes.ts"
import { type GrpcStatusError, refused } from "../grpc/GrpcStatus.ts"
import type { GrpcDuplex } from "../grpc/grpcTransport.ts"
import * as interruptible from "../util/interruptible.ts"
import * as pull from "../util/pull.ts"
import type { ByteStream } from "./ByteStream.ts"
import * as frame from "./routerFrame.ts"

/** The most bytes put into one frame. A write of no more than this stays one frame, so datagrams keep their borders. */
export const maxFrameBytes: number = 1024 * 1024

const endedDetails = "the byte stream has ended, nothing more can be written"

/**
 * A stream of frames on top of a bidirectional RPC. `peerEnded` waits until the peer has ended its direction or the RPC
 * is over, and fails unless that end was clean; it discards what the peer still sends.
 *
 * @since 0.1.0
 * @category models
 */
export interface DuplexStream extends ByteStream<GrpcStatusError> {
  /** One step of `read`; fails with `None` after the last one. */
  readonly receive: Effect.Effect<Uint8Array, Option.Option<GrpcStatusError>>
  readonly peerEnded: Effect.Effect<void, GrpcStatusError>
}

// How long a peer may take to finish with bytes that were written right before a stream is closed.
const closeGrace = Duration.millis(500)

interface Side extends Pick<GrpcDuplex, "receive" | "send"> {
  readonly halfClose: Effect.Effect<void>
}

const makeStream = (side: Side, malformed: (cause: unknown) => GrpcStatusError) => {
  const state = { peerEnded: false, ended: false, wrote: false }

  // Messages arrive in batches, and large payloads in pieces. What a reader leaves of them is there for the next reader, and
  // so is the GOAWAY among them.
  let batch: ReadonlyArray<Bytes.Bytes> = []
  let next = 0
  let pieces: ReadonlyArray<Uint8Array> = []
  let nextPiece = 0

  const ended = Effect.suspend(() => {
    state.peerEnded = true
    return Effect.fail(Option.none<GrpcStatusError>())
  })

  // The next payload or piece of one. What follows a GOAWAY is ignored, as the reference implementation does.
  const receive: Effect.Effect<Uint8Array, Option.Option<GrpcStatusError>> = Effect.suspend(() => {
    if (state.peerEnded) return Effect.fail(Option.none())
    while (true) {
      const piece = pieces[nextPiece++]
      if (piece !== undefined) {
        if (piece.length > 0) return Effect.succeed(piece)
        continue
      }
      const message = batch[next++]
      if (message === undefined) break
      try {
        const { kind, payload } = frame.decode(message)
        if (kind === "goAway") return ended
        pieces = kind === "data" ? Bytes.pieces(payload) : []
        nextPiece = 0
      } catch (cause) {
        return Effect.fail(Option.some(malformed(cause)))
      }
    }
    return Effect.matchEffect(side.receive, {
      onFailure: (end) => Option.isNone(end) ? ended : Effect.fail(end),
      onSuccess: (chunk) => {
        batch = Chunk.toReadonlyArray(chunk)
        next = 0
        return receive
      }
    })
  })

  const write = (bytes: Uint8Array): Effect.Effect<void, GrpcStatusError> => {
    if (bytes.length === 0) return Effect.void
    // The peer ignores what follows a GOAWAY.
    if (state.ended) return refused({ rpc: "", target: "" }, "FAILED_PRECONDITION", endedDetails)
    state.wrote = true
    return bytes.length <= maxFrameBytes
      ? side.send(frame.encodeData(bytes))
      : Effect.zipRight(
        side.send(frame.encodeData(bytes.subarray(0, maxFrameBytes))),
        Effect.suspend(() => write(bytes.subarray(maxFrameBytes)))
      )
  }

  // A peer that is gone already needs no GOAWAY.
  const end = Effect.suspend(() => {
    if (state.ended) return Effect.void
    state.ended = true
    return Effect.ignore(side.send(frame.goAway)).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          state.ended = false
        })
      ),
      Effect.zipRight(side.halfClose)
    )
  })

  const stream: DuplexStream = {
    receive,
    read: Stream.repeatEffectOption(receive),
    write,
    end,
    peerEnded: pull.forEach(receive, () => Effect.void)
  }
  return { state, stream }
}

/**
 * The calling side of a stream. When its scope closes the RPC is cancelled, so that no device stays open on the
 * exporter, as it does behind the Python client.
 *
 * With `closing: "flush"`, a scope that closes after a success and after something was written first gives the peer a
 * moment to finish reading: this direction is ended, and the peer's end awaited for at most half a second. That moment
 * is real time whatever the program's clock says, so that a scope cannot hang on a test's clock.
 *
 * With `peerEndsRpc` the peer is known to end the RPC once both directions have ended, and is let: servers count the RPCs that
 * are cancelled, and close connections with too many.
 */
export const fromDuplex = (
  duplex: GrpcDuplex,
  malformed: (cause: unknown) => GrpcStatusError,
  options: { readonly closing: "flush" | "cancel"; readonly peerEndsRpc?: boolean | undefined }
): Effect.Effect<DuplexStream, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => makeStream(duplex, malformed)),
      ({ state, stream }, exit) => {
        const flush = Effect.suspend(() =>
          state.wrote && !state.peerEnded ? Effect.zipRight(stream.end, Effect.ignore(stream.peerEnded)) : Effect.void
        )
        const settle = Effect.suspend(() =>
          state.peerEnded && options.peerEndsRpc === true
            ? Effect.zipRight(stream.end, Effect.ignore(duplex.status))
            : Effect.void
        )
        return Effect.zipRight(
          options.closing === "flush" && Exit.isSuccess(exit) && (state.wrote || state.peerEnded)
            ? Effect.zipRight(flush, settle).pipe(
              interruptible.timeoutOption(closeGrace),
              Effect.withClock(Clock.make())
            )
            : Effect.void,
          duplex.cancel
        )
      }
    ),
    ({ stream }) => stream
  )

/**
 * The serving side of a stream. Its `end` sends a GOAWAY only: a server half-closes by ending the RPC.
 */
export const fromServerDuplex = (
  duplex: Pick<GrpcDuplex, "receive" | "send">,
  malformed: (cause: unknown) => GrpcStatusError
): DuplexStream => makeStream({ receive: duplex.receive, send: duplex.send, halfClose: Effect.void }, malformed).stream
