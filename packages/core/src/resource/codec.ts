// One interface to every compression library: a codec that requests input and offers output, one piece at a time. Calls of
// `next` drive it, and it runs ahead of them by a few outputs at most.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import * as Zlib from "node:zlib"
import * as suspended from "../util/suspended.ts"
import * as codecPackages from "./codecPackages.ts"
import { CodecFailure, truncated } from "./codecWorker/failure.ts"
import { program } from "./codecWorker/generated.ts"
import type { Event, Failure, Outcome, Reply, Task } from "./codecWorker/messages.ts"
import { FrameScanner } from "./codecWorker/zstdFrames.ts"
import { nodeZstd } from "./nodeZstd.ts"

export type { Failure, Reply }

// The largest input that a codec gets at once, in bytes. Each input takes a turn of the codec's thread.
export const inputSize = 256 * 1024

interface Codec {
  readonly next: (reply: Reply) => Effect.Effect<Event, Failure>
}

const fromOutcome = (outcome: Outcome): Effect.Effect<Event, Failure> => {
  if (outcome._tag !== "Failure") {
    return Effect.succeed(outcome)
  }
  const { _tag: _, ...failure } = outcome
  return Effect.fail(failure)
}

// Waits until `poll` has an outcome. `onWake` takes the function to call when it may have one.
const awaitOutcome = (
  poll: () => Outcome | undefined,
  onWake: (wake: (() => void) | undefined) => void
): Effect.Effect<Event, Failure> =>
  suspended.until((resume) => {
    const wake = () => {
      const outcome = poll()
      if (outcome !== undefined) {
        onWake(undefined)
        resume(fromOutcome(outcome))
      }
    }
    onWake(wake)
    wake()
    return Effect.sync(() => onWake(undefined))
  })

// ---------------------------------------------------------------------------------------------------------------------
// gzip, zlib, and zstd where Node has it: node:zlib, which does its work in Node's thread pool
// ---------------------------------------------------------------------------------------------------------------------

// Other errors mean that the data is corrupt.
const reasons: Readonly<Record<string, Failure["reason"]>> = {
  Z_BUF_ERROR: "Truncated",
  Z_NEED_DICT: "Unsupported",
  ZSTD_error_dictionary_wrong: "Unsupported",
  ZSTD_error_frameParameter_windowTooLarge: "Unsupported",
  ZSTD_error_memory_allocation: "Unsupported"
}

const zlibFailure = (cause: NodeJS.ErrnoException): Outcome => ({
  _tag: "Failure",
  reason: reasons[cause.code ?? ""] ?? "Corrupt",
  details: cause.message,
  cause
})

const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0)

// How zlib gets its input.
interface Feed {
  // Cuts an input into the parts that zlib gets one by one.
  readonly cut: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>
  // Throws when the input may not end where it does.
  readonly end: () => void
}

const whole: Feed = { cut: (bytes) => [bytes], end: () => {} }

// Node ends the output with the first frame that is followed by another one in the same input, and does not notice that the last
// one is incomplete.
const byFrame = (): Feed => {
  const scanner = new FrameScanner()
  return {
    cut: (bytes) => {
      const ends = scanner.scan(bytes)
      return [0, ...ends].map((start, index) => bytes.subarray(start, ends[index])).filter(({ length }) => length > 0)
    },
    end: () => {
      if (!scanner.isComplete) throw truncated()
    }
  }
}

type Transform = Zlib.Gzip | Zlib.Gunzip | Zlib.Inflate

const makeZlib = (transform: Transform, feed: Feed): Codec => {
  let last: Uint8Array = new Uint8Array(0)
  let given = 0
  let writing = 0
  let inputEnded = false
  let outputEnded = false
  let padding = false
  let failure: Outcome | undefined
  let notify: (() => void) | undefined

  transform.on("readable", () => notify?.())
  transform.on("end", () => {
    outputEnded = true
    notify?.()
  })
  transform.on("error", (error) => {
    failure = zlibFailure(error)
    notify?.()
  })

  // zlib ends its output at the first byte that cannot start another member, and leaves the rest to the caller.
  const checkPadding = (bytes: Uint8Array) => {
    if (!isZero(bytes)) {
      failure = { _tag: "Failure", reason: "Corrupt", details: "something follows the compressed data" }
    }
  }

  const check = (use: () => void) => {
    try {
      use()
    } catch (error) {
      if (!(error instanceof CodecFailure)) throw error
      failure = { _tag: "Failure", reason: error.reason, details: error.message }
    }
  }

  const write = (part: Uint8Array) => {
    last = part
    given += part.length
    writing++
    transform.write(part, () => {
      writing--
      notify?.()
    })
  }

  const give = (reply: Reply) => {
    if (reply === null) {
      inputEnded = true
      if (!padding) {
        check(feed.end)
        transform.end()
      }
    } else if (reply !== undefined) {
      if (padding) {
        checkPadding(reply)
        return
      }
      check(() => feed.cut(reply).forEach(write))
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
      writing = 0
      checkPadding(last.subarray(last.length - (given - transform.bytesWritten)))
      return poll()
    }
    if (outputEnded && inputEnded) {
      return { _tag: "Done" }
    }
    return writing > 0 || inputEnded ? undefined : { _tag: "Read" }
  }

  return {
    next: (reply) =>
      Effect.suspend(() => {
        give(reply)
        return awaitOutcome(poll, (wake) => {
          notify = wake
        })
      })
  }
}

const zlib = (
  make: (options: Zlib.ZlibOptions) => Transform,
  feed = whole
): Effect.Effect<Codec, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(() => make(zlibOptions)), (transform) => Effect.sync(() => transform.destroy()))
    .pipe(Effect.map((transform) => makeZlib(transform, feed)))

// Each piece of output takes a turn of the event loop and of the thread pool.
const zlibOptions = { chunkSize: 256 * 1024 }

// ---------------------------------------------------------------------------------------------------------------------
// Everything else: WebAssembly and JavaScript libraries without a thread of their own, so each gets a worker
// ---------------------------------------------------------------------------------------------------------------------

const unavailable = (cause: unknown): Failure => ({
  reason: "Unavailable",
  details: cause instanceof Error ? cause.message : String(cause),
  cause
})

const spawn = (
  encoding: codecPackages.PackagedEncoding,
  direction: codecPackages.Direction,
  modules: ReadonlyArray<string>
) => {
  const signals = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
  const task: Task = { codec: `${encoding}-${direction}`, signals, inputSize, modules }
  // The program is a string so that the package works the same from TypeScript, from `dist` and from a bundle.
  const worker = new Worker(program, {
    eval: true,
    name: task.codec,
    // Loaders of the program, such as tsx, are useless here and slow to start.
    execArgv: [],
    workerData: task
  })
  return { worker, signals }
}

const makeWorker = ({ signals, worker }: ReturnType<typeof spawn>): Codec => {
  const outcomes: Array<Outcome> = []
  let notify: (() => void) | undefined

  const deliver = (outcome: Outcome) => {
    outcomes.push(outcome)
    notify?.()
  }
  worker.on("message", deliver)
  worker.on("error", (error) => deliver({ _tag: "Failure", ...unavailable(error) }))
  worker.on("exit", () => deliver({ _tag: "Failure", reason: "Unavailable", details: "the codec's thread ended" }))

  const poll = (): Outcome | undefined => {
    const outcome = outcomes.shift()
    if (outcome?._tag === "Write") {
      Atomics.sub(signals, 1, 1)
      Atomics.notify(signals, 1)
    }
    return outcome
  }

  return {
    next: (reply) =>
      Effect.suspend(() => {
        if (reply !== undefined) {
          worker.postMessage(reply, reply === null ? [] : [reply.buffer])
          Atomics.store(signals, 0, 1)
          Atomics.notify(signals, 0)
        }
        return awaitOutcome(poll, (wake) => {
          notify = wake
        })
      })
  }
}

const worker = (
  encoding: codecPackages.PackagedEncoding,
  direction: codecPackages.Direction
): Effect.Effect<Codec, Failure, Scope.Scope> =>
  Either.match(codecPackages.find(encoding, direction), {
    onLeft: (details): Effect.Effect<Codec, Failure, Scope.Scope> => Effect.fail({ reason: "Unavailable", details }),
    onRight: (modules) =>
      Effect.acquireRelease(
        Effect.try({ try: () => spawn(encoding, direction, modules), catch: unavailable }),
        ({ worker }) => Effect.promise(() => worker.terminate())
      ).pipe(Effect.map(makeWorker))
  })

// `first` is the first input, which distinguishes a gzip header from a zlib one. The codec still has to get it.
export const make = (
  encoding: codecPackages.Encoding,
  direction: codecPackages.Direction,
  first: Uint8Array | null
): Effect.Effect<Codec, Failure, Scope.Scope> => {
  if (encoding === "gzip") {
    return zlib(direction === "encode" ? Zlib.createGzip : first?.[0] === 0x1f ? Zlib.createGunzip : Zlib.createInflate)
  }
  if (encoding === "zstd" && nodeZstd !== undefined) {
    return direction === "encode" ? zlib(nodeZstd.encode) : zlib(nodeZstd.decode, byFrame())
  }
  return Effect.suspend(() => worker(encoding, direction))
}
