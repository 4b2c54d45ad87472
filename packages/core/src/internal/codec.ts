// One interface over every compression library: a codec that asks for input and offers output, one thing at a time.
// Nothing happens between two calls of `next`, which makes it pull-driven and bounds what is in flight.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import * as Zlib from "node:zlib"
import type { ContentEncoding } from "../ContentEncoding.ts"
import { codecWorkerSource } from "./codecWorker.ts"

export type Direction = "encode" | "decode"

export interface Failure {
  readonly reason: "Truncated" | "Corrupt" | "Unsupported" | "Unavailable"
  readonly details: string
  readonly cause?: unknown
}

export type Event =
  | { readonly _tag: "Read" }
  | { readonly _tag: "Write"; readonly bytes: Uint8Array }
  | { readonly _tag: "Done" }

// The answer to `Read`, null at the end of the input, or nothing in any other case. The codec owns the bytes.
export type Reply = Uint8Array<ArrayBuffer> | null | undefined

export interface Codec {
  readonly next: (reply: Reply) => Effect.Effect<Event, Failure>
}

type Outcome = Event | ({ readonly _tag: "Failure" } & Failure)

const fromOutcome = (outcome: Outcome): Effect.Effect<Event, Failure> => {
  if (outcome._tag !== "Failure") {
    return Effect.succeed(outcome)
  }
  const { _tag: _, ...failure } = outcome
  return Effect.fail(failure)
}

// ---------------------------------------------------------------------------------------------------------------------
// gzip and zlib: node:zlib, which does its work in Node's thread pool
// ---------------------------------------------------------------------------------------------------------------------

const zlibFailure = (cause: NodeJS.ErrnoException): Outcome => ({
  _tag: "Failure",
  reason: cause.code === "Z_BUF_ERROR" ? "Truncated" : cause.code === "Z_NEED_DICT" ? "Unsupported" : "Corrupt",
  details: cause.message,
  cause
})

const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0)

const makeZlib = (transform: Zlib.Gzip | Zlib.Gunzip | Zlib.Inflate): Codec => {
  let last = new Uint8Array(0)
  let given = 0
  let writing = false
  let inputEnded = false
  let outputEnded = false
  let padding = false
  let failure: Outcome | undefined
  let wake: (() => void) | undefined

  const notify = () => wake?.()
  transform.on("readable", notify)
  transform.on("end", () => {
    outputEnded = true
    notify()
  })
  transform.on("error", (error) => {
    failure = zlibFailure(error)
    notify()
  })

  // zlib ends its output at the first byte that cannot start another member, and leaves the rest to us.
  const checkPadding = (bytes: Uint8Array) => {
    if (!isZero(bytes)) {
      failure = { _tag: "Failure", reason: "Corrupt", details: "something follows the compressed data" }
    }
  }

  const give = (reply: Reply) => {
    if (reply === null) {
      inputEnded = true
      if (!padding) {
        transform.end()
      }
    } else if (reply !== undefined) {
      if (padding) {
        checkPadding(reply)
        return
      }
      last = reply
      given += reply.length
      writing = true
      transform.write(reply, () => {
        writing = false
        notify()
      })
    }
  }

  const poll = (): Outcome | undefined => {
    if (failure !== undefined) {
      return failure
    }
    const bytes: Buffer | null = transform.read()
    if (bytes !== null) {
      return { _tag: "Write", bytes }
    }
    if (outputEnded && !inputEnded && !padding) {
      padding = true
      writing = false
      checkPadding(last.subarray(last.length - (given - transform.bytesWritten)))
      return poll()
    }
    if (outputEnded && inputEnded) {
      return { _tag: "Done" }
    }
    return writing || inputEnded ? undefined : { _tag: "Read" }
  }

  return {
    next: (reply) =>
      Effect.async<Event, Failure>((resume) => {
        give(reply)
        wake = () => {
          const outcome = poll()
          if (outcome !== undefined) {
            wake = undefined
            resume(fromOutcome(outcome))
          }
        }
        wake()
        return Effect.sync(() => {
          wake = undefined
        })
      })
  }
}

const zlib = (make: () => Zlib.Gzip | Zlib.Gunzip | Zlib.Inflate): Effect.Effect<Codec, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(make), (transform) => Effect.sync(() => transform.destroy())).pipe(
    Effect.map(makeZlib)
  )

const zlibOptions = { chunkSize: 64 * 1024 }

// ---------------------------------------------------------------------------------------------------------------------
// Everything else: WebAssembly and JavaScript libraries without a thread of their own, so each gets a worker
// ---------------------------------------------------------------------------------------------------------------------

const modules = {
  xz: {
    encode: ["node-liblzma/wasm/liblzma.js", "node-liblzma/wasm/liblzma.wasm"],
    decode: ["node-liblzma/wasm/liblzma.js", "node-liblzma/wasm/liblzma.wasm"]
  },
  bz2: { encode: ["libbzip2-wasm"], decode: ["seek-bzip"] },
  zstd: { encode: ["zstd-codec/lib/module.js"], decode: ["zstd-codec/lib/module.js"] }
}

const unavailable = (cause: unknown): Failure => ({
  reason: "Unavailable",
  details: cause instanceof Error ? cause.message : String(cause),
  cause
})

const spawn = (encoding: keyof typeof modules, direction: Direction) => {
  const require = createRequire(import.meta.url)
  const turn = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  // The source is a string so that the package works the same from TypeScript, from `dist` and from a bundle.
  const worker = new Worker(codecWorkerSource, {
    eval: true,
    name: `${encoding}-${direction}`,
    // Loaders of the program, such as tsx, are of no use here and take a long time to start.
    execArgv: [],
    workerData: {
      codec: `${encoding}-${direction}`,
      turn,
      modules: modules[encoding][direction].map((module) => pathToFileURL(require.resolve(module)).href)
    }
  })
  return { worker, turn }
}

const makeWorker = ({ turn, worker }: ReturnType<typeof spawn>): Codec => {
  let arrived: Outcome | undefined
  let wake: ((outcome: Outcome) => void) | undefined

  const deliver = (outcome: Outcome) => {
    if (wake === undefined) {
      arrived = outcome
      return
    }
    const resume = wake
    wake = undefined
    resume(outcome)
  }
  worker.on("message", deliver)
  worker.on("error", (error) => deliver({ _tag: "Failure", ...unavailable(error) }))
  worker.on("exit", () => deliver({ _tag: "Failure", reason: "Unavailable", details: "the codec's thread ended" }))

  let started = false
  return {
    next: (reply) =>
      Effect.async<Event, Failure>((resume) => {
        if (started) {
          worker.postMessage(reply, reply === null || reply === undefined ? [] : [reply.buffer])
          Atomics.store(turn, 0, 1)
          Atomics.notify(turn, 0)
        }
        started = true
        wake = (outcome) => resume(fromOutcome(outcome))
        if (arrived !== undefined) {
          const outcome = arrived
          arrived = undefined
          deliver(outcome)
        }
        return Effect.sync(() => {
          wake = undefined
        })
      })
  }
}

const worker = (
  encoding: keyof typeof modules,
  direction: Direction
): Effect.Effect<Codec, Failure, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({ try: () => spawn(encoding, direction), catch: unavailable }),
    ({ worker }) => Effect.promise(() => worker.terminate())
  ).pipe(Effect.map(makeWorker))

// `first` is the first input, which tells a gzip header from a zlib one. It still has to be given to the codec.
export const make = (
  encoding: ContentEncoding,
  direction: Direction,
  first: Uint8Array | null
): Effect.Effect<Codec, Failure, Scope.Scope> => {
  if (encoding !== "gzip") {
    return worker(encoding, direction)
  }
  if (direction === "encode") {
    return zlib(() => Zlib.createGzip(zlibOptions))
  }
  return zlib(() => first?.[0] === 0x1f ? Zlib.createGunzip(zlibOptions) : Zlib.createInflate(zlibOptions))
}
