// The program of a codec's worker thread. It is synchronous: asking for input blocks the thread until it is there, and
// so does handing out output when too much of it was not taken yet. A library that calls back, or that only pulls, is
// bounded and backpressured all the same. Terminating the thread releases everything, WebAssembly memory included, even
// in the middle of a call.
//
// A thread of its own also keeps what these libraries do to their process away from ours: libbzip2-wasm installs
// handlers for uncaught exceptions and unhandled rejections.
export const codecWorkerSource = String.raw`"use strict"
const { readFileSync } = require("node:fs")
const { fileURLToPath } = require("node:url")
const { parentPort, receiveMessageOnPort, workerData } = require("node:worker_threads")

// signals[0] is 1 when an answer was posted; signals[1] counts the outputs that were not taken yet.
const { codec, inputSize, modules, signals } = workerData
const outputSize = 64 * 1024
const maxOutputs = 4

const ask = (message) => {
  parentPort.postMessage(message)
  Atomics.wait(signals, 0, 0)
  Atomics.store(signals, 0, 0)
  return receiveMessageOnPort(parentPort).message
}

// The next input, or null at the end. Must not be called again after that.
const read = () => ask({ _tag: "Read" })

// Takes ownership of the bytes.
const write = (bytes) => {
  if (bytes.length === 0) return
  Atomics.add(signals, 1, 1)
  parentPort.postMessage({ _tag: "Write", bytes }, [bytes.buffer])
  for (let count = Atomics.load(signals, 1); count >= maxOutputs; count = Atomics.load(signals, 1)) {
    Atomics.wait(signals, 1, count)
  }
}

class Failure extends Error {
  constructor(reason, details) {
    super(details)
    this.reason = reason
  }
}

const truncated = () => new Failure("Truncated", "unexpected end of input")

const load = (module) => require(fileURLToPath(module))

// ---------------------------------------------------------------------------------------------------------------------
// xz: liblzma as WebAssembly, through the C interface, which is the only one that bounds output
// ---------------------------------------------------------------------------------------------------------------------

const lzma = {
  ok: 0,
  streamEnd: 1,
  bufError: 10,
  failures: {
    3: ["Unsupported", "the integrity check cannot be verified"],
    5: ["Unsupported", "out of memory"],
    6: ["Unsupported", "more memory needed than allowed"],
    7: ["Corrupt", "not xz data"],
    8: ["Unsupported", "unknown filter or option"],
    9: ["Corrupt", "the data does not decode, or does not match its checksum"],
    10: ["Truncated", "unexpected end of input"]
  },
  run: 0,
  finish: 3,
  crc64: 4,
  tellUnsupportedCheck: 0x02,
  concatenated: 0x08,
  // Offsets in, and size of, the lzma_stream structure.
  nextIn: 0,
  availIn: 4,
  nextOut: 16,
  availOut: 20,
  size: 136
}

const xz = async (init) => {
  const { default: create } = await import(modules[0])
  const library = await create({ wasmBinary: readFileSync(fileURLToPath(modules[1])), printErr: () => {} })
  const input = library._malloc(inputSize)
  const output = library._malloc(outputSize)
  const stream = library._malloc(lzma.size)
  library.HEAPU8.fill(0, stream, stream + lzma.size)
  const get = (field) => library.getValue(stream + field, "i32")
  const set = (field, value) => library.setValue(stream + field, value, "i32")
  const check = (code) => {
    if (code !== lzma.ok && code !== lzma.streamEnd) {
      throw new Failure(...(lzma.failures[code] ?? ["Unavailable", "liblzma failed with code " + code]))
    }
    return code
  }

  check(init(library, stream))
  for (;;) {
    const chunk = read()
    library.HEAPU8.set(chunk ?? [], input)
    set(lzma.nextIn, input)
    set(lzma.availIn, chunk === null ? 0 : chunk.length)
    for (;;) {
      set(lzma.nextOut, output)
      set(lzma.availOut, outputSize)
      const code = library._lzma_code(stream, chunk === null ? lzma.finish : lzma.run)
      const produced = outputSize - get(lzma.availOut)
      write(library.HEAPU8.slice(output, output + produced))
      if (code === lzma.bufError && chunk !== null) break
      if (check(code) === lzma.streamEnd) return
      if (chunk !== null && get(lzma.availIn) === 0 && produced < outputSize) break
    }
  }
}

// Preset 1: six times as fast as the tool's default, 7 % larger, and a tenth of its memory.
const xzEncode = () => xz((library, stream) => library._lzma_easy_encoder(stream, 1, lzma.crc64))

// The memory limit is a 64-bit number in two halves. xz -9 needs 65 MiB.
const xzDecode = () =>
  xz((library, stream) =>
    library._lzma_stream_decoder(stream, 160 << 20, 0, lzma.concatenated | lzma.tellUnsupportedCheck)
  )

// ---------------------------------------------------------------------------------------------------------------------
// zstd: libzstd as WebAssembly, zstd-codec to encode, and zstddec to decode, which is faster and not limited to a window
// of 8 MiB
// ---------------------------------------------------------------------------------------------------------------------

// The library hands over a promise-like module, so that must not travel through a promise.
const zstdEncode = () =>
  new Promise((resolve, reject) =>
    load(modules[0]).run((library) => {
      try {
        const stream = new library.ZstdCompressStreamBinding()
        const check = (success) => {
          if (!success) throw new Failure("Unavailable", "libzstd failed")
        }
        // What a callback is given is a view of the library's memory.
        const writeView = (view) => write(view.slice())
        check(stream.begin(3))
        for (let chunk = read(); chunk !== null; chunk = read()) check(stream.transform(chunk, writeView))
        check(stream.end(writeView))
        resolve()
      } catch (error) {
        reject(error)
      }
    })
  )

// Follows the frame and block headers (RFC 8878, 3.1.1), because the library tells neither what is wrong nor
// what is missing.
const zstdScanner = () => {
  const kept = Buffer.alloc(8)
  let complete = true

  function* frames() {
    for (;;) {
      complete = true
      const magic = (yield { keep: 4 }).readUInt32LE(0)
      complete = false
      if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) {
        yield { skip: (yield { keep: 4 }).readUInt32LE(0) }
        continue
      }
      if (magic !== 0xfd2fb528) throw new Failure("Corrupt", "a zstd frame should start here")
      const descriptor = (yield { keep: 1 })[0]
      const singleSegment = (descriptor & 0x20) !== 0
      const windowByte = singleSegment ? 0 : (yield { keep: 1 })[0]
      yield { skip: [0, 1, 2, 4][descriptor & 3] }
      const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]
      kept.fill(0)
      const contentSize = (yield { keep: sizeBytes }).readBigUInt64LE(0)
      const window = singleSegment ? contentSize : 2 ** (10 + (windowByte >> 3)) * (1 + (windowByte & 7) / 8)
      // The limit of the library, and of the zstd tool unless told otherwise.
      if (window > 2 ** 27) throw new Failure("Unsupported", "a window of more than 128 MiB is needed")
      for (let last = false; !last;) {
        const block = (yield { keep: 3 }).readUIntLE(0, 3)
        const type = (block >> 1) & 3
        if (type === 3) throw new Failure("Corrupt", "reserved block type")
        last = (block & 1) === 1
        yield { skip: type === 1 ? 1 : block >> 3 }
      }
      if ((descriptor & 4) !== 0) yield { skip: 4 }
    }
  }

  const reader = frames()
  let wanted = reader.next().value
  let have = 0
  return {
    scan: (chunk) => {
      for (let at = 0; at < chunk.length;) {
        const size = Math.min((wanted.keep ?? wanted.skip) - have, chunk.length - at)
        if (wanted.keep !== undefined) kept.set(chunk.subarray(at, at + size), have)
        at += size
        have += size
        while (have === (wanted.keep ?? wanted.skip)) {
          wanted = reader.next(kept).value
          have = 0
        }
      }
    },
    isComplete: () => complete && have === 0
  }
}

const zstdDecode = async () => {
  const { ZSTDDecoder } = await import(modules[0])
  const decoder = new ZSTDDecoder()
  await decoder.init()
  const scanner = zstdScanner()
  let idle = 0
  function* input() {
    for (let chunk = read(); chunk !== null; chunk = read()) {
      scanner.scan(chunk)
      idle = 0
      yield chunk
    }
    if (!scanner.isComplete()) throw truncated()
  }
  for (const bytes of decoder.decodeStreaming(input())) {
    // The library repeats a failed step for ever. Steps without output are at most as many as there are frames.
    idle = bytes.length === 0 ? idle + 1 : 0
    if (idle > inputSize) throw new Failure("Corrupt", "the data does not decode, or does not match its checksum")
    write(bytes)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// bz2: libbzip2 as WebAssembly to encode, seek-bzip to decode
// ---------------------------------------------------------------------------------------------------------------------

// libbzip2-wasm encodes whole buffers only, so each block becomes a stream of its own. This much fills one block.
const blockSize = 900_000 - 19

const bz2Encode = () =>
  new Promise((resolve, reject) =>
    load(modules[0])().then((library) => {
      try {
        const block = new Uint8Array(blockSize)
        let filled = 0
        let written = false
        const flush = () => {
          const result = library.compressBZ2(block.subarray(0, filled), 9, 0)
          if (result.error !== 0) throw new Failure("Unavailable", result.errorMsg)
          const view = result.output
          const bytes = view.slice()
          // The library never does, and would take a megabyte more with every block.
          library._free(view.byteOffset)
          result.delete()
          write(bytes)
          filled = 0
          written = true
        }
        for (let chunk = read(); chunk !== null; chunk = read()) {
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
  )

const bz2Decode = () => {
  const Bunzip = load(modules[0])

  let chunk = new Uint8Array(0)
  let at = 0
  const more = () => {
    while (chunk !== null && at === chunk.length) {
      chunk = read()
      at = 0
    }
    return chunk !== null
  }
  const input = new Bunzip.Stream()
  input.readByte = () => {
    if (!more()) throw truncated()
    return chunk[at++]
  }

  let piece = new Uint8Array(outputSize)
  let filled = 0
  const output = new Bunzip.Stream()
  output.writeByte = (byte) => {
    piece[filled++] = byte
    if (filled === piece.length) {
      write(piece)
      piece = new Uint8Array(outputSize)
      filled = 0
    }
  }

  // One stream at a time: asked to read them all, seek-bzip takes a file that ends after a block for a complete one.
  while (more()) {
    try {
      Bunzip.decode(input, output)
    } catch (error) {
      throw error instanceof Failure ? error : new Failure("Corrupt", error.message)
    }
  }
  write(piece.slice(0, filled))
}

const codecs = {
  "xz-encode": xzEncode,
  "xz-decode": xzDecode,
  "zstd-encode": zstdEncode,
  "zstd-decode": zstdDecode,
  "bz2-encode": bz2Encode,
  "bz2-decode": bz2Decode
}

// The last word is a question too: the thread stays until it is terminated, so no message is lost.
Promise.resolve().then(codecs[codec]).then(
  () => ask({ _tag: "Done" }),
  (error) => ask({ _tag: "Failure", reason: error.reason ?? "Unavailable", details: error instanceof Error ? error.message : String(error) })
)
`
