// Follows the frame and block headers of zstd (RFC 8878, 3.1.1), because the library reports neither what is wrong nor what
// is missing.
import { CodecFailure } from "./failure.ts"

// The next bytes of the data, and whether they are inspected.
interface Wanted {
  readonly size: number
  readonly isKept: boolean
}

const keep = (size: number): Wanted => ({ size, isKept: true })
const skip = (size: number): Wanted => ({ size, isKept: false })

// The limit of the library, and of the zstd tool by default.
const maxWindow = 2 ** 27

export class FrameScanner {
  private readonly kept = Buffer.alloc(8)
  private readonly reader = this.frames()
  private wanted = this.reader.next().value
  private have = 0
  private isBetweenFrames = true

  // Whether the data may end here.
  get isComplete(): boolean {
    return this.isBetweenFrames && this.have === 0
  }

  // Returns the positions in the chunk at which frames end.
  scan(chunk: Uint8Array): ReadonlyArray<number> {
    const ends: Array<number> = []
    for (let at = 0; at < chunk.length;) {
      const size = Math.min(this.wanted.size - this.have, chunk.length - at)
      if (this.wanted.isKept) this.kept.set(chunk.subarray(at, at + size), this.have)
      at += size
      this.have += size
      while (this.have === this.wanted.size) {
        this.wanted = this.reader.next().value
        this.have = 0
        if (this.isBetweenFrames) ends.push(at)
      }
    }
    return ends
  }

  // The requested bytes are in the buffer when the generator resumes.
  private *frames(): Generator<Wanted, never, void> {
    for (;;) {
      this.isBetweenFrames = true
      yield keep(4)
      const magic = this.kept.readUInt32LE(0)
      this.isBetweenFrames = false
      if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) {
        yield keep(4)
        yield skip(this.kept.readUInt32LE(0))
        continue
      }
      if (magic !== 0xfd2fb528) throw new CodecFailure("Corrupt", "a zstd frame should start here")
      yield keep(1)
      const descriptor = this.kept.readUInt8(0)
      const hasWindow = (descriptor & 0x20) === 0
      if (hasWindow) yield keep(1)
      const windowByte = this.kept.readUInt8(0)
      yield skip([0, 1, 2, 4][descriptor & 3]!)
      this.kept.fill(0)
      yield keep([hasWindow ? 0 : 1, 2, 4, 8][descriptor >> 6]!)
      const contentSize = this.kept.readBigUInt64LE(0)
      const window = hasWindow ? 2 ** (10 + (windowByte >> 3)) * (1 + (windowByte & 7) / 8) : contentSize
      if (window > maxWindow) throw new CodecFailure("Unsupported", "a window of more than 128 MiB is needed")
      for (let isLast = false; !isLast;) {
        yield keep(3)
        const block = this.kept.readUIntLE(0, 3)
        const type = (block >> 1) & 3
        if (type === 3) throw new CodecFailure("Corrupt", "reserved block type")
        isLast = (block & 1) === 1
        yield skip(type === 1 ? 1 : block >> 3)
      }
      if ((descriptor & 4) !== 0) yield skip(4)
    }
  }
}
