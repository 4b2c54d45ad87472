// libbzip2 as WebAssembly to encode, seek-bzip to decode.
import { CodecFailure, truncated } from "./failure.ts"
import { load, outputSize, read, write } from "./port.ts"

interface Libbzip2 {
  readonly compressBZ2: (bytes: Uint8Array, level: number, workFactor: number) => {
    readonly error: number
    readonly errorMsg: string
    readonly output: Uint8Array
    readonly delete: () => void
  }
  readonly _free: (at: number) => void
}

// The loaded library is promise-like.
type LoadLibbzip2 = () => { readonly then: (use: (library: Libbzip2) => void) => void }

interface BunzipStream {
  readByte: () => number
  writeByte: (byte: number) => void
}

interface Bunzip {
  readonly Stream: new() => BunzipStream
  readonly decode: (input: BunzipStream, output: BunzipStream) => void
}

// libbzip2-wasm encodes only whole buffers, so each block becomes its own stream. This size fills one block.
const blockSize = 900_000 - 19

export const encode = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const loadLibrary: LoadLibbzip2 = load(0)
    loadLibrary().then((library) => {
      try {
        const block = new Uint8Array(blockSize)
        let filled = 0
        let written = false
        const flush = () => {
          const result = library.compressBZ2(block.subarray(0, filled), 9, 0)
          if (result.error !== 0) throw new CodecFailure("Unavailable", result.errorMsg)
          const view = result.output
          const bytes = new Uint8Array(view)
          // The library never frees it, and would take another megabyte with every block.
          library._free(view.byteOffset)
          result.delete()
          write(bytes)
          filled = 0
          written = true
        }
        for (let chunk = read(); chunk !== undefined; chunk = read()) {
          for (let at = 0; at < chunk.length;) {
            const size = Math.min(chunk.length - at, blockSize - filled)
            block.set(chunk.subarray(at, at + size), filled)
            filled += size
            at += size
            if (filled === blockSize) flush()
          }
        }
        if (filled > 0 || !written) flush()
        resolve()
      } catch (error) {
        reject(error)
      }
    })
  })

export const decode = (): void => {
  const bunzip: Bunzip = load(0)

  let chunk: Uint8Array | undefined = new Uint8Array(0)
  let at = 0
  const more = (): boolean => {
    while (chunk !== undefined && at === chunk.length) {
      chunk = read()
      at = 0
    }
    return chunk !== undefined
  }
  const input = new bunzip.Stream()
  input.readByte = () => {
    if (!more()) throw truncated()
    return chunk![at++]!
  }

  let piece = new Uint8Array(outputSize)
  let filled = 0
  const output = new bunzip.Stream()
  output.writeByte = (byte) => {
    piece[filled++] = byte
    if (filled === piece.length) {
      write(piece)
      piece = new Uint8Array(outputSize)
      filled = 0
    }
  }

  // One stream per call: when it reads them all, seek-bzip accepts a file that ends after a block as complete.
  while (more()) {
    try {
      bunzip.decode(input, output)
    } catch (error) {
      throw error instanceof CodecFailure
        ? error
        : new CodecFailure("Corrupt", error instanceof Error ? error.message : String(error))
    }
  }
  write(piece.slice(0, filled))
}
