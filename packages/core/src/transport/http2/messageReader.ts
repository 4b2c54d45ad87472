// Reads gRPC's length-prefixed messages from HTTP/2 DATA: one byte that says whether the message is compressed, four bytes with its
// length, then the message.
import * as Bytes from "../../grpc/Bytes.ts"

const prefixBytes = 5

// What is written to a stream is allocated as a Buffer, which takes less time than a small Uint8Array, and which Node need not convert.
const allocate = (size: number): Buffer => Buffer.allocUnsafe(size)

const prefixInto = (target: Uint8Array, offset: number, length: number): void => {
  target[offset] = 0
  target[offset + 1] = length >>> 24
  target[offset + 2] = length >>> 16
  target[offset + 3] = length >>> 8
  target[offset + 4] = length
}

// Returns the prefix of a message.
export const prefix = (length: number): Uint8Array => {
  const bytes = allocate(prefixBytes)
  prefixInto(bytes, 0, length)
  return bytes
}

// A first piece up to this size, such as the header of a frame, is copied behind the prefix, because each piece costs time.
const headBytes = 64

// Returns a message behind its prefix, in pieces.
export const prefixed = (message: Bytes.Bytes): ReadonlyArray<Uint8Array> => {
  const size = Bytes.size(message)
  const [first, ...rest] = Bytes.pieces(message)
  if (first === undefined || first.length > headBytes) return [prefix(size), ...Bytes.pieces(message)]
  const head = allocate(prefixBytes + first.length)
  prefixInto(head, 0, size)
  head.set(first, prefixBytes)
  return [head, ...rest]
}

// Joins messages with their prefixes into one piece.
export const join = (messages: ReadonlyArray<Bytes.Bytes>): Uint8Array => {
  let size = 0
  for (const message of messages) size += prefixBytes + Bytes.size(message)
  const whole = allocate(size)
  let offset = 0
  for (const message of messages) {
    prefixInto(whole, offset, Bytes.size(message))
    offset += prefixBytes
    for (const piece of Bytes.pieces(message)) {
      whole.set(piece, offset)
      offset += piece.length
    }
  }
  return whole
}

export class MessageError extends Error {
  constructor(readonly code: "RESOURCE_EXHAUSTED" | "INTERNAL", message: string) {
    super(message)
  }
}

// A message up to this size is always one piece, because datagrams are no larger and must not be split.
const wholeBytes = 64 * 1024 - 1

// Smaller pieces are copied into larger ones. As views they would keep alive the buffers they arrived in, which may be much larger,
// and there would be many views: peers on Node split everything into 16 KiB.
const viewBytes = 32 * 1024

// Cuts a byte stream into messages. A message that arrives in one piece is a view of that piece. A large message that arrives in
// several pieces is emitted as views of them. Joining them would allocate every megabyte again, and after an idle period the garbage
// collector reacts to that with a full collection every few megabytes.
export class MessageReader {
  private readonly prefix = new Uint8Array(prefixBytes)
  private prefixed = 0
  private length = 0
  private received = 0
  private pieces: Array<Uint8Array> = []
  // The last piece while it has room for small ones, and how many of its bytes are filled.
  private gathering: Uint8Array | undefined
  private gathered = 0
  private failed = false
  // How many bytes were copied.
  copied = 0
  // The encoding that the peer declares for compressed messages.
  encoding: string | undefined

  constructor(private readonly maxMessageBytes: number) {}

  // Whether an incomplete message has begun. A stream that ends now was cut off.
  get isPartial(): boolean {
    return this.prefixed > 0
  }

  // Emits the messages that these bytes complete. Throws `MessageError` for a message that cannot be accepted, and reads nothing
  // after that, because the following bytes begin in the middle of that message.
  read(bytes: Uint8Array, emit: (message: Bytes.Bytes) => void): void {
    let offset = 0
    while (!this.failed && offset < bytes.length) {
      if (this.prefixed < prefixBytes) {
        const part = bytes.subarray(offset, offset + prefixBytes - this.prefixed)
        this.prefix.set(part, this.prefixed)
        this.prefixed += part.length
        offset += part.length
        if (this.prefixed < prefixBytes) return
        this.length = this.declaredLength()
        this.received = 0
      }
      const piece = bytes.subarray(offset, offset + this.length - this.received)
      offset += piece.length
      if (piece.length === this.length) {
        this.prefixed = 0
        emit(piece)
      } else if (piece.length > 0) {
        this.append(piece)
        if (this.received === this.length) {
          const { pieces } = this
          this.pieces = []
          this.gathering = undefined
          this.prefixed = 0
          emit(pieces.length === 1 ? Bytes.join(pieces) : pieces)
        }
      }
    }
  }

  private append(piece: Uint8Array): void {
    const left = this.length - this.received
    this.received += piece.length
    if (this.length > wholeBytes && piece.length >= viewBytes) {
      this.settle()
      this.pieces.push(piece)
      return
    }
    this.copied += piece.length
    for (let rest = piece; rest.length > 0;) {
      if (this.gathering === undefined) {
        const due = left - piece.length + rest.length
        this.gathering = Buffer.allocUnsafeSlow(due < 2 * wholeBytes ? due : wholeBytes)
        this.pieces.push(this.gathering)
        this.gathered = 0
      }
      const part = rest.subarray(0, this.gathering.length - this.gathered)
      this.gathering.set(part, this.gathered)
      this.gathered += part.length
      if (this.gathered === this.gathering.length) this.gathering = undefined
      rest = rest.subarray(part.length)
    }
  }

  // Ends the piece that small ones are gathered in, at its current size.
  private settle(): void {
    if (this.gathering === undefined) return
    this.pieces[this.pieces.length - 1] = new Uint8Array(this.gathering.subarray(0, this.gathered))
    this.gathering = undefined
  }

  private declaredLength(): number {
    const [flag = 0, a = 0, b = 0, c = 0, d = 0] = this.prefix
    if (flag !== 0) return this.refuse("INTERNAL", this.flagProblem(flag))
    const length = a * 2 ** 24 + (b << 16 | c << 8 | d)
    if (length > this.maxMessageBytes) {
      return this.refuse(
        "RESOURCE_EXHAUSTED",
        `Received message larger than max (${length} vs ${this.maxMessageBytes})`
      )
    }
    return length
  }

  private flagProblem(flag: number): string {
    return flag !== 1
      ? `Received a message with the flag ${flag}, which gRPC does not define`
      : this.encoding === undefined || this.encoding === "identity"
      ? "Received a compressed message, but no encoding (grpc-encoding)"
      : `Received a message compressed with ${this.encoding}, which was not asked for`
  }

  private refuse(code: MessageError["code"], message: string): never {
    this.failed = true
    throw new MessageError(code, message)
  }
}
