// libzstd as WebAssembly: zstd-codec to encode, and zstddec to decode, which is faster and not limited to a window of 8 MiB.
import { CodecFailure, truncated } from "./failure.ts"
import { inputSize, load, moduleUrl, read, write } from "./port.ts"
import { FrameScanner } from "./zstdFrames.ts"

interface ZstdStream {
  // A callback gets a view of the library's memory.
  readonly begin: (level: number) => boolean
  readonly transform: (bytes: Uint8Array, take: (view: Uint8Array) => void) => boolean
  readonly end: (take: (view: Uint8Array) => void) => boolean
}

interface ZstdCodec {
  readonly run: (use: (library: { readonly ZstdCompressStreamBinding: new() => ZstdStream }) => void) => void
}

interface ZstddecModule {
  readonly ZSTDDecoder: new() => {
    readonly init: () => Promise<void>
    readonly decodeStreaming: (input: Iterable<Uint8Array>) => Iterable<Uint8Array<ArrayBuffer>>
  }
}

// The library's module is promise-like, so it must not pass through a promise.
export const encode = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const codec: ZstdCodec = load(0)
    codec.run((library) => {
      try {
        const stream = new library.ZstdCompressStreamBinding()
        const check = (success: boolean) => {
          if (!success) throw new CodecFailure("Unavailable", "libzstd failed")
        }
        const writeView = (view: Uint8Array) => write(new Uint8Array(view))
        check(stream.begin(3))
        for (let chunk = read(); chunk !== undefined; chunk = read()) check(stream.transform(chunk, writeView))
        check(stream.end(writeView))
        resolve()
      } catch (error) {
        reject(error)
      }
    })
  })

export const decode = async (): Promise<void> => {
  const { ZSTDDecoder }: ZstddecModule = await import(moduleUrl(0))
  const decoder = new ZSTDDecoder()
  await decoder.init()
  const scanner = new FrameScanner()
  let idle = 0
  function* input() {
    for (let chunk = read(); chunk !== undefined; chunk = read()) {
      scanner.scan(chunk)
      idle = 0
      yield chunk
    }
    if (!scanner.isComplete) throw truncated()
  }
  for (const bytes of decoder.decodeStreaming(input())) {
    // The library repeats a failed step without end. Steps without output are at most as many as there are frames.
    idle = bytes.length === 0 ? idle + 1 : 0
    if (idle > inputSize) throw new CodecFailure("Corrupt", "the data does not decode, or does not match its checksum")
    write(bytes)
  }
}
