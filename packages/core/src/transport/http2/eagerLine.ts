// A byte stream beneath an HTTP/2 connection that accepts every write at once.
//
// Node's HTTP/2 does not read while a write to its socket is pending. Two Node processes with both directions full would wait for
// each other indefinitely. These streams report a write as done as soon as they have the bytes, so Node continues to read. The buffered
// bytes have no bound, so senders must check `isFull`.
import * as Effect from "effect/Effect"
import { Duplex } from "node:stream"
import { Scavenging } from "../../util/scavenging.ts"
import { Waiters } from "../../util/waiters.ts"

/** How many received bytes may wait for a reader. */
export const readAhead = 256 * 1024

// How many bytes HTTP/2 gets in one piece. It grants a peer more than its first 64 KiB only between pieces, as it does on a socket.
const pieceBytes = 64 * 1024

// With this many bytes buffered, senders should wait.
const fullBytes = 4 * 1024 * 1024

// The memory in which streams join what they received in pieces, one after the other.
let spare: Buffer | undefined

export abstract class EagerLine extends Duplex {
  private readonly senders = new Waiters()
  private readonly scavenging = new Scavenging()

  constructor() {
    super({ readableHighWaterMark: readAhead })
  }

  /** How many written bytes the peer has not taken. */
  protected abstract get buffered(): number

  /** Whether senders should wait. Nobody waits for what a destroyed stream has not sent. */
  get isFull(): boolean {
    return this.buffered >= fullBytes && !this.destroyed
  }

  /** Waits until the peer has taken the buffered bytes, or is gone. */
  readonly room: Effect.Effect<void> = Effect.suspend(() =>
    this.isFull ? this.senders.wait(() => !this.isFull) : Effect.void
  )

  /**
   * Passes received pieces to HTTP/2, which takes less time for a large piece than for several. It copies what it gets at once, so that the
   * memory can be used again, unless it has paused the stream.
   */
  protected pushJoined(pieces: ReadonlyArray<Uint8Array>): boolean {
    const [first] = pieces
    // Node copies them, and so does this.
    for (const { length } of pieces) this.scavenging.add(2 * length)
    if (first !== undefined && pieces.length === 1) return this.push(first)
    let isRoom = true
    for (let next = 0; next < pieces.length;) {
      const target = spare ?? Buffer.allocUnsafeSlow(pieceBytes)
      spare = undefined
      let size = 0
      for (let piece = pieces[next]; piece !== undefined && size + piece.length <= pieceBytes; piece = pieces[++next]) {
        target.set(piece, size)
        size += piece.length
      }
      const large = size === 0 ? pieces[next++] : undefined
      isRoom = this.push(large ?? target.subarray(0, size))
      if (this.readableLength === 0) spare = target
    }
    return isRoom
  }

  /** Counts bytes of ArrayBuffers that were allocated for what passes through. */
  protected allocated(bytes: number): void {
    this.scavenging.add(bytes)
  }

  /** Call it when there are fewer buffered bytes, or none count any more. */
  protected drained(): void {
    this.senders.wake()
  }

  /**
   * Ends the writing side with the reading side: HTTP/2 has no half-close. Node's wrapper of this stream would end the writing side, too, and
   * throw at each write of HTTP/2 until that is done, which takes as long as the peer reads nothing. Call it before the stream is wrapped, so
   * that this listener runs first.
   */
  protected endBoth(): void {
    this.once("end", () => this.destroy())
  }
}
