// Messages over one HTTP/2 stream, for both ends of an RPC: reads messages as they arrive, and sends them as fast as the peer takes
// them.
import * as Effect from "effect/Effect"
import type { Http2Stream } from "node:http2"
import type { Readable } from "node:stream"
import * as Bytes from "../../grpc/Bytes.ts"
import { Scavenging } from "../../util/scavenging.ts"
import { Waiters } from "../../util/waiters.ts"
import * as messageReader from "./messageReader.ts"
import { Turn, type Turns } from "./sendTurns.ts"

// Messages that together are no larger than this are copied into one write. Larger ones are written without a copy.
const joinBytes = 4 * 1024

// How many bytes may be pending before a sender has to wait. There must be room for a few writes, or the connection idles between
// them.
const sendBytes = 1536 * 1024

// Added to the size of every message. Without it a sender of tiny messages would make thousands before it notices that the peer does
// not read.
const overhead = 512

// Reads messages as they arrive, beginning when `start` is called. While the receiver is not ready for the next message the stream
// is paused, which closes its flow-control window.
export class Reading {
  private readonly reader: messageReader.MessageReader
  private readonly scavenging = new Scavenging()
  // The bytes that arrived before the start.
  private early: Array<Uint8Array> | undefined = []
  private readonly onData = (bytes: Uint8Array): void => {
    this.scavenging.add(bytes.length)
    if (this.early === undefined) this.read(bytes)
    else this.early.push(bytes)
  }

  constructor(
    private readonly stream: Readable,
    private readonly onMessage: (message: Bytes.Bytes) => Promise<void> | undefined,
    maxMessageBytes: number,
    private readonly onError: (error: unknown) => void
  ) {
    this.reader = new messageReader.MessageReader(maxMessageBytes)
    stream.on("data", this.onData)
  }

  // Whether an incomplete message has begun. A stream that ends now was cut off.
  get isPartial(): boolean {
    return this.reader.isPartial
  }

  // Begins to read the bytes of the stream as messages.
  start(encoding?: string): void {
    const { early } = this
    this.early = undefined
    this.reader.encoding = encoding
    early?.forEach((bytes) => this.read(bytes))
  }

  // Reads the bytes that an ending stream still holds because it was paused. Node would drop them with the stream.
  drain(): void {
    if (this.early !== undefined) return
    this.stream.off("data", this.onData)
    for (let bytes = this.left(); bytes !== null; bytes = this.left()) this.read(bytes)
  }

  private left(): Uint8Array | null {
    return this.stream.read() as Uint8Array | null
  }

  private read(bytes: Uint8Array): void {
    let full: Promise<void> | undefined
    try {
      this.reader.read(bytes, (message) => {
        full = this.onMessage(message)
      })
      this.scavenging.add(2 * this.reader.copied)
      this.reader.copied = 0
    } catch (error) {
      this.onError(error)
      return
    }
    if (full !== undefined) {
      this.stream.pause()
      void full.then(() => this.stream.resume())
    }
  }
}

// The EagerLine under the connection, if it has one. Senders wait while it is full.
interface Outlet {
  readonly isFull: boolean
  readonly room: Effect.Effect<void>
}

// A piece of a message that waits to be written to the stream.
interface Piece {
  readonly bytes: Uint8Array
  // The overhead of the message, counted with its last piece.
  readonly extra: number
}

export class Sender {
  // How many bytes have not been sent yet, inside and outside of the stream.
  private pending = 0
  private readonly waiters = new Waiters()
  // How many sends wait for room.
  private blocked = 0
  // The pieces that wait for a turn, outside of the stream.
  private queue: Array<Piece> = []
  private queued = 0
  private isEnding = false
  private isClosed = false
  private readonly turn: Turn

  constructor(private readonly stream: Http2Stream, private readonly turns: Turns, private readonly outlet?: Outlet) {
    this.turn = new Turn(stream)
  }

  // Writes messages to the stream, and waits while the peer does not take earlier ones. Messages are dropped once the stream is
  // closed, or when it was ended before this effect began.
  send(messages: ReadonlyArray<Bytes.Bytes>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isEnding) return Effect.void
      const next = this.writeFitting(messages, 0)
      if (next === messages.length) return Effect.void
      this.blocked++
      return Effect.ensuring(
        this.sendRest(messages, next),
        Effect.sync(() => {
          this.blocked--
          this.finishWhenDone()
        })
      )
    })
  }

  // Writes the first message of a stream.
  sendFirst(message: Bytes.Bytes): void {
    this.writeSome([message], 0)
  }

  // Ends the stream after all messages, including those that still wait.
  end(): void {
    if (this.isEnding) return
    this.isEnding = true
    this.finishWhenDone()
  }

  // Whether nothing waits for the EagerSocket under the connection.
  get hasRoom(): boolean {
    return this.outlet?.isFull !== true
  }

  // Whether nothing is left to send.
  get isIdle(): boolean {
    return this.queued === 0 && this.blocked === 0 && this.stream.writableLength === 0
  }

  // Wakes all waiting sends. Call it when the RPC has ended.
  release(): void {
    this.waiters.wake()
  }

  // Drops all waiting messages. Call it when the stream is reset or closed.
  close(): void {
    this.queue = []
    this.queued = 0
    this.isEnding = true
    this.isClosed = true
    this.turns.leave(this.turn)
    this.waiters.wake()
  }

  private get isWritable(): boolean {
    return !this.isClosed && this.stream.writable
  }

  private finishWhenDone(): void {
    if (!this.isEnding || this.queued > 0 || this.blocked > 0 || !this.isWritable) return
    this.stream.end()
    this.turns.end(this.turn)
  }

  private sendRest(messages: ReadonlyArray<Bytes.Bytes>, from: number): Effect.Effect<void> {
    return Effect.zipRight(
      this.pending >= sendBytes
        ? this.waiters.wait(() => this.pending < sendBytes || !this.isWritable)
        : this.outlet?.room ?? Effect.void,
      Effect.suspend(() => {
        const next = this.writeFitting(messages, from)
        return next === messages.length ? Effect.void : this.sendRest(messages, next)
      })
    )
  }

  // Writes messages until the peer has to take some first. Returns the index of the first message that is left.
  private writeFitting(messages: ReadonlyArray<Bytes.Bytes>, from: number): number {
    let next = from
    while (next < messages.length) {
      if (!this.isWritable) return messages.length
      if (this.pending >= sendBytes || this.outlet?.isFull === true) return next
      next = this.writeSome(messages, next)
    }
    return next
  }

  private writeSome(messages: ReadonlyArray<Bytes.Bytes>, from: number): number {
    let next = from
    let size = 0
    for (let message = messages[next]; message !== undefined; message = messages[next]) {
      const bytes = Bytes.size(message)
      if (next > from && size + bytes > joinBytes) break
      size += bytes
      next++
    }
    const first = messages[from]
    if (first !== undefined && size > joinBytes) {
      this.write(messageReader.prefixed(first), overhead)
    } else {
      this.write([messageReader.join(messages.slice(from, next))], (next - from) * overhead)
    }
    return next
  }

  private write(pieces: ReadonlyArray<Uint8Array>, extra: number): void {
    pieces.forEach((bytes, index) => {
      const piece = { bytes, extra: index === pieces.length - 1 ? extra : 0 }
      this.queue.push(piece)
      this.queued += bytes.length
      this.pending += bytes.length + piece.extra
    })
    this.pump()
  }

  // Writes as many bytes to the stream as its turn allows.
  private pump(): void {
    const size = this.turns.take(this.turn, this.queued)
    if (size === 0) return
    const taken: Array<Uint8Array> = []
    let left = size
    let extra = 0
    let count = 0
    for (let piece = this.queue[0]; piece !== undefined && piece.bytes.length <= left; piece = this.queue[++count]) {
      taken.push(piece.bytes)
      left -= piece.bytes.length
      extra += piece.extra
    }
    const cut = this.queue[count]
    if (cut !== undefined && left > 0) {
      taken.push(cut.bytes.subarray(0, left))
      this.queue[count] = { ...cut, bytes: cut.bytes.subarray(left) }
    }
    this.queue.splice(0, count)
    this.queued -= size
    const sent = () => {
      this.pending -= size + extra
      this.turns.sent(this.turn, size)
      if (this.queued > 0) {
        this.pump()
        this.finishWhenDone()
      }
      if (this.pending < sendBytes) this.waiters.wake()
    }
    if (taken.length > 1) this.stream.cork()
    taken.forEach((bytes, index) => this.stream.write(bytes, index === taken.length - 1 ? sent : undefined))
    if (taken.length > 1) this.stream.uncork()
  }
}
