// A socket that takes every write at once, for an HTTP/2 connection.
//
// While a write to its socket is under way, Node's HTTP/2 does not read. Two ends that both stand on Node, with both
// directions full, would wait for each other for ever. This end says that it has written as soon as it is handed the
// bytes, and so goes on reading. What then waits in memory is bounded by the flow-control windows of the peer.
import type { Socket } from "node:net"
import { Duplex } from "node:stream"

const readAhead = 256 * 1024

export class EagerSocket extends Duplex {
  constructor(private readonly socket: Socket) {
    super({ readableHighWaterMark: readAhead })
    socket.on("data", (bytes: Uint8Array) => {
      if (!this.push(bytes)) socket.pause()
    })
    socket.on("end", () => this.push(null))
    socket.on("error", (error) => this.destroy(error))
    socket.on("close", () => this.destroy())
  }

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
    done(error)
  }
}
