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
  // Holds the bytes that no part has taken, from `start` to `end`. It grows by doubling, so that no byte is copied often.
  private store: Buffer = Buffer.allocUnsafe(64 * 1024)
  private start = 0
  private end = 0
  // How many of these bytes have been searched for the end of a part without a length.
  private searched = 0
  // How many bytes are there when a part of known length is complete.
  private needed = 0
  private readonly mark: string

  constructor(boundary: string) {
    this.mark = `--${boundary}`
  }

  /** The parts that these bytes complete, or what is wrong with the bytes. */
  push(bytes: Uint8Array): ReadonlyArray<Uint8Array> | string {
    this.append(bytes)
    if (this.end - this.start < this.needed) return []
    const parts: Array<Uint8Array> = []
    for (;;) {
      const part = this.take(this.store.subarray(this.start, this.end))
      if (typeof part === "string") return part
      if (part === undefined) return parts
      parts.push(part)
    }
  }

  private append(bytes: Uint8Array): void {
    if (this.end + bytes.length > this.store.length) {
      const size = this.end - this.start + bytes.length
      const store = size <= this.store.length / 2 ? this.store : Buffer.allocUnsafe(2 * size)
      this.store.copy(store, 0, this.start, this.end)
      this.store = store
      this.end -= this.start
      this.start = 0
    }
    this.store.set(bytes, this.end)
    this.end += bytes.length
  }

  // The next part, without its head.
  private take(bytes: Buffer): Uint8Array | string | undefined {
    const { mark } = this
    this.needed = 0
    const start = bytes.indexOf(mark)
    if (start < 0) {
      return bytes.length > maxHead ? `there is no boundary ${JSON.stringify(mark)} in it` : undefined
    }
    const headEnd = bytes.indexOf("\r\n\r\n", start)
    if (headEnd < 0) return bytes.length - start > maxHead ? "the head of a part is too long" : undefined
    const bodyStart = headEnd + 4
    const length = /^content-length:\s*(\d+)\s*$/im.exec(bytes.toString("latin1", start, headEnd + 2))?.[1]
    const bodyEnd = length === undefined
      ? bytes.indexOf(`\r\n${mark}`, Math.max(bodyStart, this.searched))
      : bodyStart + Number(length)
    if (bodyEnd - bodyStart > maxPart || bodyEnd < 0 && bytes.length - bodyStart > maxPart) {
      return `a part is larger than ${maxPart} bytes`
    }
    if (bodyEnd < 0) {
      // The end may have begun.
      this.searched = bytes.length - mark.length - 1
      return undefined
    }
    if (bodyEnd > bytes.length) {
      this.needed = bodyEnd
      return undefined
    }
    this.start += bodyEnd
    this.searched = 0
    return Uint8Array.prototype.slice.call(bytes, bodyStart, bodyEnd)
  }
}
