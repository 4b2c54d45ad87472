// Where the program made a call, as `Effect.fn` finds it out: the top of the stack is captured at once, which takes a few
// microseconds, and made readable only when somebody reads the stack of an error.
import type { CallSite } from "../DriverError.ts"

export interface Caller {
  readonly stack?: string | undefined
}

// The program's own functions, in the order in which they called one another.
const frames = 3

// The stack of the function that calls this one, and of what is above a given function. `node --stack-trace-limit=0`
// captures nothing.
const capture = (below: (...args: never) => unknown, limit: number): Caller | undefined => {
  const before = Error.stackTraceLimit
  if (!(before > 0)) return undefined
  const caller: Caller = {}
  // Where the intrinsics are frozen the limit is as it is.
  Reflect.set(Error, "stackTraceLimit", limit)
  Error.captureStackTrace(caller, below)
  Reflect.set(Error, "stackTraceLimit", before)
  return caller
}

// The function that calls this one, and its caller in the second line.
export const here = (): Caller => capture(here, 2) ?? {}

let current: Caller | undefined

// The program's call of a function of this library.
export const of = (called: (...args: never) => unknown): Caller | undefined => current ?? capture(called, frames)

// Runs a function of this library that makes calls for a caller of the program.
export const on = <A>(behalf: Caller | undefined, run: () => A): A => {
  const before = current
  current = behalf
  try {
    return run()
  } finally {
    current = before
  }
}

// What is below these lines is Effect's.
const below = /Generator\.next|[\\/]node_modules[\\/](?:\.pnpm[\\/])?effect[@\\/]/

const programOf = ({ stack = "" }: Caller): ReadonlyArray<string> => {
  const lines = stack.split("\n").filter((line) => /^\s+at /.test(line))
  const end = lines.findIndex((line) => below.test(line))
  return end === -1 ? lines : lines.slice(0, end)
}

// The same error, whose stack is where the program made the call. The stack is no field: equality and encoding do not know
// it.
export const blame = <E extends Error>(error: E, { caller }: Pick<CallSite, "caller">): E =>
  caller === undefined ? error : Object.defineProperty(error, "stack", {
    configurable: true,
    enumerable: false,
    get: () => [`${error.name}: ${error.message}`, ...programOf(caller)].join("\n"),
    set(value: unknown) {
      Object.defineProperty(error, "stack", { configurable: true, enumerable: false, writable: true, value })
    }
  })
