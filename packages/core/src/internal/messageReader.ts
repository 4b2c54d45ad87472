// gRPC's length-prefixed messages on top of HTTP/2 DATA: a byte that says whether the message is compressed, four bytes
// with its length, the message.

const prefixBytes = 5

const prefixInto = (target: Uint8Array, offset: number, length: number): void => {
  target[offset] = 0
  target[offset + 1] = length >>> 24
  target[offset + 2] = length >>> 16
  target[offset + 3] = length >>> 8
  target[offset + 4] = length
}

// What goes in front of a message.
export const prefix = (length: number): Uint8Array => {
  const bytes = new Uint8Array(prefixBytes)
  prefixInto(bytes, 0, length)
  return bytes
}

// Messages with their prefixes, in one piece.
export const join = (messages: ReadonlyArray<Uint8Array>): Uint8Array => {
  let size = 0
  for (const message of messages) size += prefixBytes + message.length
  const whole = new Uint8Array(size)
  let offset = 0
  for (const message of messages) {
    prefixInto(whole, offset, message.length)
    whole.set(message, offset + prefixBytes)
    offset += prefixBytes + message.length
  }
  return whole
}

export class MessageError extends Error {
  constructor(readonly code: "RESOURCE_EXHAUSTED" | "UNIMPLEMENTED", message: string) {
    super(message)
  }
}

// What is set aside for a message that has only been announced. A peer must send what it wants us to hold more for.
const firstBytes = 256 * 1024

// Cuts a byte stream into messages. A message that came in one piece is a view of it, one that comes in several is
// assembled.
export class MessageReader {
  private readonly prefix = new Uint8Array(prefixBytes)
  private prefixed = 0
  private length = 0
  private assembled: Uint8Array | undefined
  private filled = 0
  private failed = false

  constructor(private readonly maxMessageBytes: number) {}

  // Whether bytes of an incomplete message are here. A stream that ends now was cut off.
  get isPartial(): boolean {
    return this.prefixed > 0
  }

  // Emits the messages that are complete with these bytes. Throws `MessageError` for one that cannot be taken, and reads no
  // more then: what follows begins in the middle of it.
  read(bytes: Uint8Array, emit: (message: Uint8Array) => void): void {
    let offset = 0
    while (!this.failed && offset < bytes.length) {
      if (this.prefixed < prefixBytes) {
        const part = bytes.subarray(offset, offset + prefixBytes - this.prefixed)
        this.prefix.set(part, this.prefixed)
        this.prefixed += part.length
        offset += part.length
        if (this.prefixed < prefixBytes) return
        this.length = this.declaredLength()
        this.filled = 0
      }
      const piece = bytes.subarray(offset, offset + this.length - this.filled)
      offset += piece.length
      if (piece.length === this.length) {
        this.prefixed = 0
        emit(piece)
      } else if (piece.length > 0) {
        this.append(piece)
        if (this.filled === this.length && this.assembled !== undefined) {
          const message = this.assembled
          this.assembled = undefined
          this.prefixed = 0
          emit(message)
        }
      }
    }
  }

  private append(piece: Uint8Array): void {
    const needed = this.filled + piece.length
    if (this.assembled === undefined || this.assembled.length < needed) {
      const size = Math.min(this.length, Math.max(firstBytes, needed, 2 * (this.assembled?.length ?? 0)))
      const grown = Buffer.allocUnsafeSlow(size)
      if (this.assembled !== undefined) grown.set(this.assembled.subarray(0, this.filled))
      this.assembled = grown
    }
    this.assembled.set(piece, this.filled)
    this.filled = needed
  }

  private declaredLength(): number {
    const [compressed = 0, a = 0, b = 0, c = 0, d = 0] = this.prefix
    if (compressed !== 0) return this.refuse("UNIMPLEMENTED", "compressed messages are not supported")
    const length = a * 2 ** 24 + (b << 16 | c << 8 | d)
    if (length > this.maxMessageBytes) {
      return this.refuse(
        "RESOURCE_EXHAUSTED",
        `Received message larger than max (${length} vs ${this.maxMessageBytes})`
      )
    }
    return length
  }

  private refuse(code: MessageError["code"], message: string): never {
    this.failed = true
    throw new MessageError(code, message)
  }
}
