// What a name, or the first bytes of the content, say about its encoding.
import type { ContentEncoding } from "./ContentEncoding.ts"

const endings: Readonly<Record<string, ContentEncoding>> = {
  gz: "gzip",
  gzip: "gzip",
  tgz: "gzip",
  xz: "xz",
  txz: "xz",
  bz2: "bz2",
  bzip2: "bz2",
  tbz2: "bz2",
  tbz: "bz2",
  zst: "zstd",
  zstd: "zstd",
  tzst: "zstd"
}

export const ofName = (name: string): ContentEncoding | undefined => {
  const ending = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase()
  return ending !== undefined && Object.hasOwn(endings, ending) ? endings[ending] : undefined
}

// How many of the first bytes to inspect.
export const headBytes = 6

const startsWith = (head: Uint8Array, ...bytes: ReadonlyArray<number>): boolean =>
  bytes.every((byte, index) => head[index] === byte)

// The first bytes of a bzip2 block, and those of the end of a file without blocks.
const isBzip2 = (head: Uint8Array): boolean =>
  startsWith(head, 0x42, 0x5a, 0x68) && head[3] !== undefined && head[3] >= 0x31 && head[3] <= 0x39 &&
  (head[4] === 0x31 && head[5] === 0x41 || head[4] === 0x17 && head[5] === 0x72)

export const ofHead = (head: Uint8Array): ContentEncoding | undefined =>
  startsWith(head, 0x1f, 0x8b, 0x08)
    ? "gzip"
    : startsWith(head, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)
    ? "xz"
    : isBzip2(head)
    ? "bz2"
    // Parallel compressors put a skippable frame first.
    : startsWith(head, 0x28, 0xb5, 0x2f, 0xfd) ||
        head[0] !== undefined && head[0] >> 4 === 5 && startsWith(head.subarray(1), 0x2a, 0x4d, 0x18)
    ? "zstd"
    : undefined
