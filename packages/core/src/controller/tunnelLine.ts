// One end of a tunnel as a connection for HTTP/2. It carries bytes in the frames of an RPC, which a router joins to the RPC of the other
// end (protocol.md 12.5). The router reports a lost end only when the other end sends something. An end that closes in good order sends a
// GOAWAY.
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Duplex } from "node:stream"
import { clearImmediate, setImmediate } from "node:timers"
import * as Bytes from "../grpc/Bytes.ts"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type { GrpcDuplex } from "../grpc/grpcTransport.ts"
import * as Metadata from "../grpc/Metadata.ts"
import * as duplexStream from "../protocol/duplexStream.ts"
import * as frame from "../protocol/routerFrame.ts"
import * as rpcs from "../protocol/rpcs.ts"
import * as stub from "../protocol/stub.ts"
import type { Channel } from "../transport/GrpcChannel.ts"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import * as pull from "../util/pull.ts"

// An idle tunnel sends a ping at this interval in milliseconds, so that the router reports a lost other end.
const pingInterval = 10_000

// The bytes that may wait for a reader before no more messages are received.
const readAhead = 256 * 1024

// How long the other end may take to close the tunnel in return.
const closeGrace = Duration.millis(500)

/** The names of a tunnel, for texts. */
export interface Place {
  readonly lease: string
  readonly router: string
}

export const describe = ({ lease, router }: Place): string =>
  `the tunnel of the lease ${lease} through the router ${router}`

// Why an RPC ended without a GOAWAY.
const explain = (end: Option.Option<GrpcStatusError>): string =>
  Option.match(end, {
    onNone: () => "its other end is gone",
    onSome: ({ code, details, origin }) =>
      origin !== "peer" || code === "UNAVAILABLE"
        ? `the router is gone (${details})`
        : code === "UNAUTHENTICATED"
        ? `the router rejected its token (${details})`
        : `its other end is gone (the router reported ${code}: ${details})`
  })

// Joins written pieces into frames of at most the maximum size.
const framesOf = (written: ReadonlyArray<Uint8Array>): ReadonlyArray<Bytes.Bytes> => {
  const frames: Array<Bytes.Bytes> = []
  let pieces: Array<Uint8Array> = []
  let room = duplexStream.maxFrameBytes
  const finish = () => {
    if (pieces.length > 0) frames.push(frame.encodeData(pieces))
    pieces = []
    room = duplexStream.maxFrameBytes
  }
  for (let bytes of written) {
    while (bytes.length > 0) {
      const piece = bytes.subarray(0, room)
      pieces.push(piece)
      room -= piece.length
      bytes = bytes.subarray(piece.length)
      if (room === 0) finish()
    }
  }
  finish()
  return frames
}

const malformed = stub.malformed({ rpc: "", target: "" }, "router")

interface Sink {
  readonly write: (pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void>
  readonly end: Effect.Effect<void>
}

export class TunnelLine extends Duplex {
  private wanted = false
  private taken: (() => void) | undefined

  constructor(
    readonly place: Place,
    private readonly sink: Sink,
    private readonly fork: (effect: Effect.Effect<void>) => void
  ) {
    super({ readableHighWaterMark: readAhead })
    // An error before HTTP/2 has its listener must not end the process. HTTP/2 then finds the stream destroyed.
    this.on("error", () => {})
  }

  /** Delivers received pieces, and calls back when there is room for more. `null` is the end. */
  deliver(pieces: ReadonlyArray<Uint8Array | null>, taken: () => void): void {
    this.wanted = false
    let isRoom = true
    for (const piece of pieces) isRoom = this.push(piece)
    if (isRoom || this.wanted) taken()
    else this.taken = taken
  }

  override _read(): void {
    this.wanted = true
    const { taken } = this
    this.taken = undefined
    taken?.()
  }

  override _writev(written: ReadonlyArray<{ readonly chunk: Uint8Array }>, done: () => void): void {
    this.fork(Effect.zipRight(this.sink.write(written.map(({ chunk }) => chunk)), Effect.sync(done)))
  }

  override _final(done: () => void): void {
    this.fork(Effect.zipRight(this.sink.end, Effect.sync(done)))
  }
}

// Runs in a turn of the event loop of its own: Node aborts the process when HTTP/2 receives something during its own write.
const inTurn = (act: (done: () => void) => void): Effect.Effect<void> =>
  Effect.async((resume) => {
    const immediate = setImmediate(() => act(() => resume(Effect.void)))
    return Effect.sync(() => clearImmediate(immediate))
  })

const make = (rpc: GrpcDuplex, place: Place): Effect.Effect<TunnelLine, never, Scope.Scope> =>
  Effect.gen(function*() {
    let ended = false
    let peerEnded = false
    let isOver = false
    let sending = 0
    let lastSent = yield* monotonicClock.currentMillis

    // A failure to send is ignored, because `receive` reports why the RPC ended.
    const send = (message: Bytes.Bytes): Effect.Effect<void> =>
      Effect.suspend(() => {
        sending++
        return Effect.ignore(rpc.send(message)).pipe(
          Effect.zipRight(monotonicClock.currentMillis),
          Effect.map((now) => {
            lastSent = now
          }),
          Effect.ensuring(Effect.sync(() => sending--))
        )
      })

    const end = Effect.suspend(() => {
      if (ended) return Effect.void
      ended = true
      return Effect.zipRight(send(frame.goAway), rpc.halfClose)
    })

    // Waits until the other end has ended too.
    const leave = Effect.zipRight(end, Effect.ignore(pull.forEach(rpc.receive, () => Effect.void))).pipe(
      interruptible.timeoutOption(closeGrace),
      // The other end runs outside of this program, so this takes real time on any clock.
      Effect.withClock(Clock.make())
    )
    yield* Effect.addFinalizer(() => Effect.suspend(() => isOver ? Effect.void : leave))
    const fork = yield* FiberSet.makeRuntime()
    const line = yield* Effect.acquireRelease(
      Effect.sync(() =>
        new TunnelLine(
          place,
          { end, write: (pieces) => Effect.forEach(framesOf(pieces), send, { discard: true }) },
          (effect) => void fork(Effect.interruptible(effect))
        )
      ),
      (line) => Effect.sync(() => line.destroy())
    )

    const lose = (why: string): Effect.Effect<void> =>
      Effect.suspend(() => {
        const text = `${describe(place)} was lost: ${why}`
        return Effect.zipRight(
          Effect.logDebug(text),
          inTurn((done) => {
            line.destroy(new Error(text))
            done()
          })
        )
      })

    const receive: Effect.Effect<void> = Effect.matchEffect(rpc.receive, {
      onFailure: (end) => {
        isOver = true
        return peerEnded ? Effect.void : lose(explain(end))
      },
      onSuccess: (messages) => {
        const pieces: Array<Uint8Array | null> = []
        let problem: string | undefined
        for (const message of Chunk.toReadonlyArray(messages)) {
          if (peerEnded || problem !== undefined) break
          try {
            const { kind, payload } = frame.decode(message)
            if (kind === "data") Bytes.pieces(payload).forEach((piece) => piece.length > 0 && pieces.push(piece))
            else if (kind === "reset") problem = "its other end reset it"
            else if (kind === "goAway") {
              peerEnded = true
              pieces.push(null)
            }
          } catch (cause) {
            problem = malformed(cause).details
          }
        }
        return Effect.zipRight(
          pieces.length === 0 ? Effect.void : inTurn((done) => line.deliver(pieces, done)),
          problem === undefined ? receive : lose(problem)
        )
      }
    })

    const ping: Effect.Effect<void> = Effect.flatMap(monotonicClock.currentMillis, (now) => {
      if (ended || isOver) return Effect.void
      const left = sending > 0 ? pingInterval : lastSent + pingInterval - now
      return Effect.zipRight(left > 0 ? Effect.sleep(left) : send(frame.ping), ping)
    })

    yield* interruptible.forkScoped(receive)
    yield* interruptible.forkScoped(ping)
    return line
  })

/**
 * Opens one end of a tunnel, and closes it with the scope. It does not wait for headers, because the router sends none before the other
 * end has sent something.
 */
export const open = (
  router: Channel,
  token: Redacted.Redacted,
  lease: string
): Effect.Effect<TunnelLine, GrpcStatusError, Scope.Scope> =>
  Effect.flatMap(
    Effect.suspend(() =>
      router.duplex(rpcs.stream, { metadata: Metadata.make({ authorization: `Bearer ${Redacted.value(token)}` }) })
    ),
    (rpc) => make(rpc, { lease, router: router.target })
  )
