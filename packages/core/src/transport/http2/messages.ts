// Messages over one HTTP/2 stream, for both ends of an RPC: incoming ones as they come, outgoing ones as fast as the peer
// takes them.
import * as Effect from "effect/Effect"
import type { Http2Stream } from "node:http2"
import * as Bytes from "../../grpc/Bytes.ts"
import { Waiters } from "../../util/waiters.ts"
import * as messageReader from "./messageReader.ts"
import { Turn, type Turns } from "./sendTurns.ts"

// Messages that are smaller together than this are copied into one write, larger ones are written as they are.
const joinBytes = 4 * 1024

// What may be on its way into the stream before a sender has to wait. It must be a few writes, or the connection idles
// between them.
const sendBytes = 1536 * 1024

// Counted per message besides its bytes: a sender of tiny ones would make thousands before it notices that nobody wants
// them.
const overhead = 512

// Reads messages as they come, from the moment `start` is called. While the receiver of one is not ready for the next the
// stream is paused, which closes its flow-control window.
export class Reading {
  private readonly reader: messageReader.MessageReader
  // What came before the start.
  private early: Array<Uint8Array> | undefined = []
  private readonly onData = (bytes: Uint8Array): void => {
    if (this.early === undefined) this.read(bytes)
    else this.early.push(bytes)
  }

  constructor(
    private readonly stream: Http2Stream,
    private readonly onMessage: (message: Bytes.Bytes) => Promise<void> | undefined,
    maxMessageBytes: number,
    private readonly onError: (error: unknown) => void
  ) {
    this.reader = new messageReader.MessageReader(maxMessageBytes)
    stream.on("data", this.onData)
  }

  // Whether bytes of an incomplete message are here. A stream that ends now was cut off.
  get isPartial(): boolean {
    return this.reader.isPartial
  }

  // Takes the bytes of the stream for messages.
  start(encoding?: string): void {
    const { early } = this
    this.early = undefined
    this.reader.encoding = encoding
    early?.forEach((bytes) => this.read(bytes))
  }

  // Reads what a stream that ends now still holds because it was paused. Node drops it with the stream.
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

// What all streams of a connection go through, where its writes are not waited for.
interface Outlet {
  readonly isFull: boolean
  readonly room: Effect.Effect<void>
}

// A part of what waits to be handed to the stream.
interface Piece {
  readonly bytes: Uint8Array
  // What its message counts besides, in its last piece.
  readonly extra: number
}

export class Sender {
  // What has not been sent yet, inside and outside of the stream.
  private pending = 0
  private readonly waiters = new Waiters()
  // Sends that wait for room.
  private blocked = 0
  // What waits for a turn, outside of the stream.
  private queue: Array<Piece> = []
  private queued = 0
  private isEnding = false
  private isClosed = false
  private readonly turn: Turn

  constructor(private readonly stream: Http2Stream, private readonly turns: Turns, private readonly outlet?: Outlet) {
    this.turn = new Turn(stream)
  }

  // Hands messages to the stream, waiting while the peer does not take what was sent before. Once the stream is over, or was
  // ended before this began, messages are dropped.
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

  // Hands a message to the stream that nothing comes before.
  sendFirst(message: Bytes.Bytes): void {
    this.writeSome([message], 0)
  }

  // Ends the stream after what was sent, and what waits to be.
  end(): void {
    if (this.isEnding) return
    this.isEnding = true
    this.finishWhenDone()
  }

  // Whether there is anything left to send.
  get isIdle(): boolean {
    return this.queued === 0 && this.blocked === 0 && this.stream.writableLength === 0
  }

  // Lets everybody look again; to be called when the stream is over.
  release(): void {
    this.waiters.wake()
  }

  // Drops what is left; to be called when the stream is reset or closed.
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
      this.pending >= sendBytes ? this.waiters.wait : this.outlet?.room ?? Effect.void,
      Effect.suspend(() => {
        const next = this.writeFitting(messages, from)
        return next === messages.length ? Effect.void : this.sendRest(messages, next)
      })
    )
  }

  // Writes messages until the peer should take some first. It answers with the first that is left.
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
      this.write([messageReader.prefix(size), ...Bytes.pieces(first)], overhead)
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

  // Hands over as much as the other streams of the connection leave to this one.
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
