// One end of a tunnel as a connection for HTTP/2. It carries bytes in the frames of an RPC, which a router joins to the RPC of the other
// end (protocol.md 12.5). The router reports a lost end only when the other end sends something. An end that closes in good order sends a
// GOAWAY.
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { clearImmediate, setImmediate } from "node:timers"
import * as Bytes from "../grpc/Bytes.ts"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type { GrpcDuplex } from "../grpc/grpcTransport.ts"
import * as Metadata from "../grpc/Metadata.ts"
import * as frame from "../protocol/routerFrame.ts"
import * as rpcs from "../protocol/rpcs.ts"
import * as stub from "../protocol/stub.ts"
import type { Channel } from "../transport/GrpcChannel.ts"
import { EagerLine, readAhead } from "../transport/http2/eagerLine.ts"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import * as pull from "../util/pull.ts"
import { Waiters } from "../util/waiters.ts"

// An idle tunnel sends a ping at this interval in milliseconds, so that the router reports a lost other end.
const pingInterval = 10_000

// How many bytes are written before a writer has to wait, unless it is HTTP/2.
const writeAhead = 256 * 1024

// The largest payload of a frame, in bytes.
const maxPayload = 256 * 1024

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

const malformed = stub.malformed({ rpc: "", target: "" }, "router")

/** What a tunnel carries: HTTP/2, which has no half-close and sends no more while `isFull`, or any other bytes. */
export type Content = "http2" | "bytes"

export class TunnelLine extends EagerLine {
  // What was written and is not in a frame yet, and its size.
  private written: Array<Uint8Array> = []
  private writtenBytes = 0
  // Reports the last write, or the end, as done.
  private taken: (() => void) | undefined
  private finish: (() => void) | undefined
  private isEnding = false
  private readonly changed = new Waiters()
  /** Whether `next` has returned a payload that is not sent yet. */
  isSending = false
  // What arrived and has not been passed on, and its size.
  private arrived: Array<Uint8Array> = []
  private arrivedBytes = 0
  private hasEnded = false
  // Whether the reader has asked for more since the last delivery.
  private isWanted = false
  private turn: NodeJS.Immediate | undefined
  private readonly readers = new Waiters()
  private hasHeard = false
  private readonly hearers = new Waiters()

  constructor(readonly place: Place, private readonly content: Content) {
    super()
    // An error before HTTP/2 has its listener must not end the process. HTTP/2 then finds the stream destroyed.
    this.on("error", () => {})
    if (content === "http2") this.endBoth()
  }

  protected override get buffered(): number {
    return this.writtenBytes
  }

  /** Removes the payload of the next frame from what was written, and waits until there is some. `None` is the end. */
  readonly next: Effect.Effect<Option.Option<ReadonlyArray<Uint8Array>>> = Effect.suspend(() =>
    this.writtenBytes > 0
      ? Effect.succeedSome(this.takeWritten())
      : this.isEnding
      ? Effect.succeedNone
      : Effect.zipRight(this.changed.wait(() => this.writtenBytes > 0 || this.isEnding), this.next)
  )

  /** Ends it after what was written. */
  stop(): void {
    this.isEnding = true
    this.changed.wake()
  }

  /** Reports the end as sent. */
  stopped(): void {
    const { finish } = this
    this.finish = undefined
    finish?.()
  }

  /** Passes received pieces on, and then the end, if they are the last ones. */
  deliver(pieces: ReadonlyArray<Uint8Array>, isEnd: boolean): void {
    if (this.destroyed) return
    if (!this.hasHeard) {
      this.hasHeard = true
      this.hearers.wake()
    }
    for (const piece of pieces) {
      this.arrived.push(piece)
      this.arrivedBytes += piece.length
    }
    this.hasEnded = isEnd
    this.isWanted = false
    // In a turn of the event loop of its own: Node aborts the process when HTTP/2 receives something during its own write. HTTP/2 takes less
    // time for what arrived in one turn than for the pieces.
    this.turn ??= setImmediate(() => this.passOn())
  }

  /** Waits until more can be delivered. */
  readonly roomToRead: Effect.Effect<void> = Effect.suspend(() =>
    this.hasRoom ? Effect.void : this.readers.wait(() => this.hasRoom)
  )

  /** Waits until something has arrived. */
  readonly heard: Effect.Effect<void> = Effect.suspend(() =>
    this.hasHeard ? Effect.void : this.hearers.wait(() => this.hasHeard)
  )

  override _read(): void {
    this.isWanted = true
    this.readers.wake()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.accept([chunk], done)
  }

  override _writev(written: ReadonlyArray<{ readonly chunk: Uint8Array }>, done: () => void): void {
    this.accept(written.map(({ chunk }) => chunk), done)
  }

  override _final(done: () => void): void {
    this.finish = done
    this.stop()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearImmediate(this.turn)
    this.drained()
    this.readers.wake()
    done(error)
  }

  private get hasRoom(): boolean {
    return this.isWanted || this.arrivedBytes + this.readableLength < readAhead || this.destroyed
  }

  private passOn(): void {
    this.turn = undefined
    const { arrived } = this
    this.arrived = []
    this.arrivedBytes = 0
    if (this.content === "http2") this.pushJoined(arrived)
    else for (const piece of arrived) this.push(piece)
    if (this.hasEnded) this.push(null)
    if (this.hasRoom) this.readers.wake()
  }

  private accept(pieces: ReadonlyArray<Uint8Array>, done: () => void): void {
    for (const piece of pieces) {
      this.written.push(piece)
      this.writtenBytes += piece.length
      this.allocated(piece.length)
    }
    this.changed.wake()
    if (this.content === "http2" || this.writtenBytes < writeAhead) done()
    else this.taken = done
  }

  private takeWritten(): ReadonlyArray<Uint8Array> {
    const pieces: Array<Uint8Array> = []
    let room = maxPayload
    let count = 0
    for (let piece = this.written[0]; piece !== undefined && room > 0; piece = this.written[count]) {
      const part = piece.subarray(0, room)
      pieces.push(part)
      room -= part.length
      if (part.length < piece.length) this.written[count] = piece.subarray(part.length)
      else count++
    }
    this.isSending = true
    this.written.splice(0, count)
    this.writtenBytes -= maxPayload - room
    this.drained()
    const { taken } = this
    if (taken !== undefined && this.writtenBytes < writeAhead) {
      this.taken = undefined
      taken()
    }
    return pieces
  }
}

// Runs in a turn of the event loop of its own, see `deliver`.
const inTurn = (act: () => void): Effect.Effect<void> =>
  Effect.async((resume) => {
    const immediate = setImmediate(() => {
      act()
      resume(Effect.void)
    })
    return Effect.sync(() => clearImmediate(immediate))
  })

const make = (rpc: GrpcDuplex, place: Place, content: Content): Effect.Effect<TunnelLine, never, Scope.Scope> =>
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

    const line = new TunnelLine(place, content)

    // Sends what is written until the end.
    const write: Effect.Effect<void> = Effect.flatMap(
      line.next,
      Option.match({
        onNone: () => Effect.map(end, () => line.stopped()),
        onSome: (payload) =>
          Effect.zipRight(
            send(frame.encodeData(payload)),
            Effect.suspend(() => {
              line.isSending = false
              return write
            })
          )
      })
    )

    // Waits until the other end has ended too. Nothing can follow a frame that was lost.
    const leave = Effect.zipRight(
      Effect.suspend(() => line.isSending ? end : write),
      Effect.ignore(pull.drain(rpc.receive))
    ).pipe(
      interruptible.timeoutOption(closeGrace),
      // The other end runs outside of this program, so this takes real time on any clock.
      Effect.withClock(Clock.make())
    )
    yield* Effect.addFinalizer(() => Effect.suspend(() => isOver ? Effect.void : leave))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        line.destroy()
        line.stop()
      })
    )

    const lose = (why: string): Effect.Effect<void> =>
      Effect.suspend(() => {
        const text = `${describe(place)} was lost: ${why}`
        return Effect.zipRight(Effect.logDebug(text), inTurn(() => line.destroy(new Error(text))))
      })

    const receive: Effect.Effect<void> = Effect.matchEffect(rpc.receive, {
      onFailure: (end) => {
        isOver = true
        return peerEnded ? Effect.void : lose(explain(end))
      },
      onSuccess: (messages) => {
        const pieces: Array<Uint8Array> = []
        const wasEnded = peerEnded
        let problem: string | undefined
        for (const message of Chunk.toReadonlyArray(messages)) {
          if (peerEnded || problem !== undefined) break
          try {
            const { kind, payload } = frame.decode(message)
            if (kind === "data") Bytes.pieces(payload).forEach((piece) => piece.length > 0 && pieces.push(piece))
            else if (kind === "reset") problem = "its other end reset it"
            else if (kind === "goAway") peerEnded = true
          } catch (cause) {
            problem = malformed(cause).details
          }
        }
        if (!wasEnded && (pieces.length > 0 || peerEnded)) line.deliver(pieces, peerEnded)
        return Effect.zipRight(line.roomToRead, problem === undefined ? receive : lose(problem))
      }
    })

    const ping: Effect.Effect<void> = Effect.flatMap(monotonicClock.currentMillis, (now) => {
      if (ended || isOver) return Effect.void
      const left = sending > 0 ? pingInterval : lastSent + pingInterval - now
      return Effect.zipRight(left > 0 ? Effect.sleep(left) : send(frame.ping), ping)
    })

    yield* interruptible.forkScoped(write)
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
  lease: string,
  content: Content = "bytes"
): Effect.Effect<TunnelLine, GrpcStatusError, Scope.Scope> =>
  Effect.flatMap(
    Effect.suspend(() =>
      router.duplex(rpcs.stream, { metadata: Metadata.make({ authorization: `Bearer ${Redacted.value(token)}` }) })
    ),
    (rpc) => make(rpc, { lease, router: router.target }, content)
  )
