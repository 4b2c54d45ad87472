// One interface to every compression library: a codec that requests input and offers output, one piece at a time. Calls of
// `next` drive it, and it runs ahead of them by a few outputs at most.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import * as Zlib from "node:zlib"
import * as codecPackages from "./codecPackages.ts"
import { program } from "./codecWorker/generated.ts"
import type { Event, Failure, Outcome, Reply, Task } from "./codecWorker/messages.ts"

export type { Failure, Reply }

// The largest input that a codec gets at once, in bytes.
export const inputSize = 64 * 1024

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
  Effect.async((resume) => {
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
        notify?.()
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
      Effect.suspend(() => {
        give(reply)
        return awaitOutcome(poll, (wake) => {
          notify = wake
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
  if (encoding !== "gzip") {
    return Effect.suspend(() => worker(encoding, direction))
  }
  if (direction === "encode") {
    return zlib(() => Zlib.createGzip(zlibOptions))
  }
  return zlib(() => first?.[0] === 0x1f ? Zlib.createGunzip(zlibOptions) : Zlib.createInflate(zlibOptions))
}
