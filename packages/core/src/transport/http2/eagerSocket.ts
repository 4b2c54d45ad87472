// Wraps the socket, or another byte stream, of an HTTP/2 connection and accepts every write at once.
//
// Node's HTTP/2 does not read while a write to its socket is pending. Two Node processes with both directions full would wait for
// each other indefinitely. This socket reports a write as done as soon as it has the bytes, so Node continues to read. The buffered
// bytes have no bound, so senders must check `isFull`.
import * as Effect from "effect/Effect"
import { Duplex } from "node:stream"
import { Waiters } from "../../util/waiters.ts"

const readAhead = 256 * 1024

// With this many bytes buffered, senders should wait.
const fullBytes = 4 * 1024 * 1024

export class EagerSocket extends Duplex {
  private readonly waiters = new Waiters()

  constructor(private readonly socket: Duplex) {
    super({ readableHighWaterMark: readAhead })
    socket.on("data", (bytes: Uint8Array) => {
      if (!this.push(bytes)) socket.pause()
    })
    socket.on("drain", () => this.waiters.wake())
    socket.on("end", () => this.push(null))
    // HTTP/2 has no half-close. Node's wrapper of this stream would end the writing side now, and throw at each write of HTTP/2 until
    // that is done, which takes as long as the peer reads nothing. This listener runs before the wrapper's because it is added first.
    this.once("end", () => this.destroy())
    socket.on("error", (error) => this.destroy(error))
    socket.on("close", () => this.destroy())
  }

  // Whether senders should wait. What a destroyed stream has not sent stays in it, and nobody waits for that.
  get isFull(): boolean {
    return this.socket.writableLength >= fullBytes && !this.destroyed
  }

  // Waits until the peer has taken the buffered bytes, or is gone.
  readonly room: Effect.Effect<void> = Effect.suspend(() =>
    this.isFull ? this.waiters.wait(() => !this.isFull) : Effect.void
  )

  override _read(): void {
    this.socket.resume()
  }

  override _write(bytes: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.socket.write(bytes)
    done()
  }

  override _writev(pieces: ReadonlyArray<{ readonly chunk: Uint8Array }>, done: () => void): void {
    this.socket.cork()
    pieces.forEach(({ chunk }) => this.socket.write(chunk))
    this.socket.uncork()
    done()
  }

  override _final(done: () => void): void {
    this.socket.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy()
    this.waiters.wake()
    done(error)
  }
}
