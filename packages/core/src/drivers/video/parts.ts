// Splits the body of a multipart response into its parts, such as the JPEGs of a camera. A part with a Content-Length is complete as
// soon as it has arrived; without one it ends where the next part begins.

const maxHead = 16 * 1024

// A picture of a camera is smaller than this.
const maxPart = 64 * 1024 * 1024

/** The text that separates the parts, from the type of the response. */
export const boundaryOf = (contentType: string): string | undefined => {
  const match = /^multipart\/[^;]+;(?:.*;)?\s*boundary="?([^";]+)"?/i.exec(contentType)
  // Some cameras name the boundary with the dashes that begin its line.
  return match?.[1]?.trim().replace(/^--/, "")
}

export class Parts {
  private buffer: Buffer = Buffer.alloc(0)
  // Pieces that arrived while a part of known length was incomplete.
  private pieces: Array<Uint8Array> = []
  private waiting = 0
  private needed = 0

  constructor(private readonly boundary: string) {}

  /** The parts that these bytes complete, or what is wrong with the bytes. */
  push(bytes: Uint8Array): ReadonlyArray<Uint8Array> | string {
    this.pieces.push(bytes)
    this.waiting += bytes.length
    if (this.buffer.length + this.waiting < this.needed) return []
    this.buffer = Buffer.concat([this.buffer, ...this.pieces])
    this.pieces = []
    this.waiting = 0
    const parts: Array<Uint8Array> = []
    for (;;) {
      const part = this.take()
      if (typeof part === "string") return part
      if (part === undefined) return parts
      parts.push(part)
    }
  }

  // The next part, without its head.
  private take(): Uint8Array | string | undefined {
    this.needed = 0
    const mark = `--${this.boundary}`
    const start = this.buffer.indexOf(mark)
    if (start < 0) {
      return this.buffer.length > maxHead ? `there is no boundary ${JSON.stringify(mark)} in it` : undefined
    }
    const headEnd = this.buffer.indexOf("\r\n\r\n", start)
    if (headEnd < 0) return this.buffer.length - start > maxHead ? "the head of a part is too long" : undefined
    const bodyStart = headEnd + 4
    const length = /^content-length:\s*(\d+)\s*$/im.exec(this.buffer.toString("latin1", start, headEnd + 2))?.[1]
    const bodyEnd = length === undefined ? this.buffer.indexOf(`\r\n${mark}`, bodyStart) : bodyStart + Number(length)
    if (bodyEnd - bodyStart > maxPart || bodyEnd < 0 && this.buffer.length - bodyStart > maxPart) {
      return `a part is larger than ${maxPart} bytes`
    }
    if (bodyEnd < 0) return undefined
    if (bodyEnd > this.buffer.length) {
      this.needed = bodyEnd
      return undefined
    }
    const part = Uint8Array.prototype.slice.call(this.buffer, bodyStart, bodyEnd)
    this.buffer = this.buffer.subarray(bodyEnd)
    return part
  }
}
