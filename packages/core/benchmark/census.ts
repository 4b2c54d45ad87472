// What a process holds on to. It needs `--expose-gc`.
import { Effect, Schema } from "effect"
import { EventEmitter } from "node:events"
import { setTimeout } from "node:timers/promises"
import { queryObjects } from "node:v8"

/** Counts by name, and the bytes of the heap and of the buffers outside of it. */
export const Census = Schema.Struct({
  bytes: Schema.Number,
  counts: Schema.Record({ key: Schema.String, value: Schema.Number })
})

export type Census = typeof Census.Type

// Long enough for whatever ends a moment later, such as the last goodbye on a connection.
const settling = 1000

const fiber = Object.getPrototypeOf(Effect.runFork(Effect.void)).constructor

const listeners = (): number => process.eventNames().reduce((count, name) => count + process.listenerCount(name), 0)

/** Counts what is left after collecting garbage. */
export const take = async (): Promise<Census> => {
  for (let pass = 0; pass < 3; pass++) {
    await setTimeout(settling / 3)
    globalThis.gc?.()
  }
  const counts: Record<string, number> = {
    "listeners of the process": listeners(),
    fibers: queryObjects(fiber, { format: "count" }),
    emitters: queryObjects(EventEmitter, { format: "count" }),
    signals: queryObjects(AbortSignal, { format: "count" })
  }
  for (const resource of process.getActiveResourcesInfo()) counts[resource] = (counts[resource] ?? 0) + 1
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return { bytes: heapUsed + arrayBuffers, counts }
}

/** What there is more of, by name. */
export const more = (before: Census, after: Census): ReadonlyArray<string> =>
  Object.entries(after.counts).flatMap(([name, count]) => {
    const difference = count - (before.counts[name] ?? 0)
    return difference > 0 ? [`${name} +${difference}`] : []
  })
