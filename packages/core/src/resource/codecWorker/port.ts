// The codec's end of the connection. It is synchronous: requesting input blocks the thread until the input arrives, and
// writing output blocks it while too much output has not been taken. So libraries that call back, or that only pull, are
// still bounded and backpressured.
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import type * as messages from "./messages.ts"

const task: messages.Task = workerData

export const { codec, inputSize } = task
const { modules, signals } = task
export const outputSize = 64 * 1024
const maxOutputs = 4

export const ask = (message: messages.Outcome): messages.Reply => {
  parentPort!.postMessage(message)
  // The notification of the previous answer may come only now.
  while (Atomics.load(signals, 0) === 0) Atomics.wait(signals, 0, 0)
  Atomics.store(signals, 0, 0)
  return receiveMessageOnPort(parentPort!)!.message
}

// Returns the next input, or undefined at the end. Do not call it again after that.
export const read = (): Uint8Array | undefined => ask({ _tag: "Read" }) ?? undefined

// Takes ownership of the bytes.
export const write = (bytes: Uint8Array<ArrayBuffer>): void => {
  if (bytes.length === 0) return
  Atomics.add(signals, 1, 1)
  parentPort!.postMessage({ _tag: "Write", bytes } satisfies messages.Event, [bytes.buffer])
  for (let count = Atomics.load(signals, 1); count >= maxOutputs; count = Atomics.load(signals, 1)) {
    Atomics.wait(signals, 1, count)
  }
}

// The path of one of the library's modules.
export const modulePath = (index: number): string => fileURLToPath(moduleUrl(index))

export const moduleUrl = (index: number): string => modules[index]!

// The library as a module of CommonJS; its type is what we know of it.
export const load = (index: number) => createRequire(moduleUrl(index))(modulePath(index))
