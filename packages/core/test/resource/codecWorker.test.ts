// The thread of a codec, driven by hand.
import { it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import { Worker } from "node:worker_threads"
import * as codecPackages from "../../src/resource/codecPackages.ts"
import { program } from "../../src/resource/codecWorker/generated.ts"
import type { Outcome, Task } from "../../src/resource/codecWorker/messages.ts"

// A thread that is slow between its store and its notification wakes the codec when that waits for the next answer already.
it.scopedLive("a codec that is woken before there is an answer goes on waiting", () =>
  Effect.gen(function*() {
    const signals = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
    const modules = Either.getOrThrow(codecPackages.find("bz2", "decode"))
    const task: Task = { codec: "bz2-decode", inputSize: 65_536, modules, signals }
    const outcomes = yield* Queue.unbounded<Outcome>()
    const worker = yield* Effect.acquireRelease(
      Effect.sync(() => new Worker(program, { eval: true, execArgv: [], workerData: task })),
      (worker) => Effect.promise(() => worker.terminate())
    )
    worker.on("message", (outcome: Outcome) => outcomes.unsafeOffer(outcome))
    deepStrictEqual(yield* outcomes.take, { _tag: "Read" })

    yield* Effect.repeat(Effect.sync(() => Atomics.notify(signals, 0)), {
      until: (woken) => woken > 0,
      schedule: Schedule.spaced("1 millis")
    })
    worker.postMessage(null)
    Atomics.store(signals, 0, 1)
    Atomics.notify(signals, 0)
    deepStrictEqual(yield* outcomes.take, { _tag: "Done" })
  }))
