// Wraps the socket, or another byte stream, of an HTTP/2 connection and accepts every write at once.
import type { Duplex } from "node:stream"
import { clearImmediate, setImmediate } from "node:timers"
import { TLSSocket } from "node:tls"
import { EagerLine, readAhead } from "./eagerLine.ts"

// Node delivers what a TLS connection receives in pieces of this size, and a rest.
const recordBytes = 16 * 1024

export class EagerSocket extends EagerLine {
  private readonly isEncrypted: boolean
  // What arrived and has not been passed on, and its size.
  private arrived: Array<Uint8Array> = []
  private arrivedBytes = 0
  private immediate: NodeJS.Immediate | undefined

  constructor(private readonly socket: Duplex) {
    super()
    this.isEncrypted = socket instanceof TLSSocket
    this.endBoth()
    socket.on("data", (bytes: Uint8Array) => this.receive(bytes))
    socket.on("drain", () => this.drained())
    socket.on("end", () => {
      this.passOn()
      this.push(null)
    })
    socket.on("error", (error) => {
      this.passOn()
      this.destroy(error)
    })
    socket.on("close", () => {
      this.passOn()
      this.destroy()
    })
  }

  protected override get buffered(): number {
    return this.socket.writableLength
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
    clearImmediate(this.immediate)
    this.socket.destroy()
    this.drained()
    done(error)
  }

  // More follows a full record, mostly in the same turn of the event loop. HTTP/2 takes less time for one large piece than for several.
  private receive(bytes: Uint8Array): void {
    this.arrived.push(bytes)
    this.arrivedBytes += bytes.length
    if (!this.isEncrypted || bytes.length < recordBytes || this.arrivedBytes >= readAhead) this.passOn()
    else this.immediate ??= setImmediate(() => this.passOn())
  }

  private passOn(): void {
    clearImmediate(this.immediate)
    this.immediate = undefined
    const { arrived } = this
    if (arrived.length === 0 || this.destroyed) return
    this.arrived = []
    this.arrivedBytes = 0
    if (!this.pushJoined(arrived)) this.socket.pause()
  }
}
