// Two ends of a connection that is no socket: what one writes the other one reads, a turn of the event loop later. Node aborts where
// HTTP/2 reads what its own write has called forth before that write returns.
import { Duplex } from "node:stream"

// What an end takes before it keeps its writer waiting.
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

  // The other end is cut off, as by a socket that is reset.
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
