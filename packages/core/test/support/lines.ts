// Two ends of a connection without a socket. Each end reads what the other one wrote, one turn of the event loop later. Node aborts
// if HTTP/2 reads the response to its own write before that write returns.
import { Duplex } from "node:stream"

// The bytes that an end accepts before its writer has to wait.
const room = 64 * 1024

class End extends Duplex {
  private other: End | undefined
  private taken = (): void => {}

  constructor() {
    super({ readableHighWaterMark: room, writableHighWaterMark: room })
  }

  join(other: End): void {
    this.other = other
  }

  override _read(): void {
    const { taken } = this
    this.taken = () => {}
    taken()
  }

  override _write(bytes: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    setImmediate(() => {
      if (this.other?.push(bytes) === false) this.other.taken = done
      else done()
    })
  }

  override _final(done: () => void): void {
    setImmediate(() => {
      this.other?.push(null)
      done()
    })
  }

  // Cuts off the other end, as a socket reset does.
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error)
    setImmediate(() => this.other?.destroy())
  }
}

export const pair = (): readonly [Duplex, Duplex] => {
  const one = new End()
  const other = new End()
  one.join(other)
  other.join(one)
  return [one, other]
}
