// The bytes the probe sends and the suite expects, the same as in interop/probe.py: byte i is `i * 31 % 256`.
import { createHash } from "node:crypto"
import { numbered } from "./bytes.ts"

const chunkBytes = 65_536

/** How many bytes `source_fixed` sends in total. */
export const fixedBytes = 1_048_576

const period = Uint8Array.from({ length: 256 }, (_, index) => index * 31 % 256)

export const pattern = (offset: number, size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  const start = offset % 256
  bytes.set(period.subarray(start, start + Math.min(size, 256 - start)))
  // Doubles the filled part, which has a whole number of periods from the second step on.
  let filled = Math.min(size, 256 - start)
  if (filled < size) {
    const first = filled
    bytes.set(period.subarray(0, Math.min(256, size - first)), first)
    filled = Math.min(size, first + 256)
    for (let length = filled - first; filled < size; length = filled - first) {
      bytes.copyWithin(filled, first, first + Math.min(length, size - filled))
      filled = Math.min(size, filled + length)
    }
  }
  return bytes
}

/** The pattern in chunks. */
export const patternChunks = (size: number, chunk = chunkBytes): Iterable<Uint8Array> => ({
  *[Symbol.iterator]() {
    for (let offset = 0; offset < size; offset += chunk) yield pattern(offset, Math.min(chunk, size - offset))
  }
})

/**
 * Bytes like those of a disk image: mostly runs, and no two chunks alike. Every encoding compresses them fast, while
 * the pattern above is the worst case of bz2.
 */
export const image = (megabytes: number): Iterable<Uint8Array> => ({
  *[Symbol.iterator]() {
    for (let index = 0; index < megabytes * 16; index++) {
      const chunk = new Uint8Array(chunkBytes).fill(index % 251)
      chunk.set(numbered(index))
      yield chunk
    }
  }
})

export const sha256 = (chunks: Iterable<Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest("hex")
}
