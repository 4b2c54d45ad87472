// Takes every write to a socket, or to what is in the place of one, at once: for one end of an HTTP/2 connection.
//
// While a write to its socket is under way, Node's HTTP/2 does not read. Two Node processes with both directions full would
// wait for each other indefinitely. This end reports a write as done as soon as it has the bytes, and so goes on reading. What
// waits here has no bound of its own, so senders must look at `isFull`.
import * as Effect from "effect/Effect"
import { Duplex } from "node:stream"
import { Waiters } from "../../util/waiters.ts"

const readAhead = 256 * 1024

// From here on nobody should hand over more.
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
    socket.on("error", (error) => this.destroy(error))
    socket.on("close", () => this.destroy())
  }

  // Whether as much waits for the peer as should.
  get isFull(): boolean {
    return this.socket.writableLength >= fullBytes
  }

  // Waits until the peer has taken what waits for it, or is gone.
  readonly room: Effect.Effect<void> = Effect.suspend(() =>
    this.isFull && !this.destroyed ? this.waiters.wait : Effect.void
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
