// Finds where the program made a call, in the way that `Effect.fn` does. The top of the stack is captured at the call, which takes
// a few microseconds, and formatted only when the stack of an error is read.

export interface Caller {
  readonly stack?: string | undefined
}

// How many frames of the program to capture.
const frames = 3

// The number of frames above the program's: `capture`, its caller, and the library function that the program called.
const own = 3

// Captures the stack with `limit` frames of the program. An `Error` costs half as much as `captureStackTrace`. Under
// `node --stack-trace-limit=0` nothing is captured.
const capture = (limit: number): Caller | undefined => {
  const before = Error.stackTraceLimit
  if (!(before > 0)) return undefined
  // With frozen intrinsics the limit cannot be changed.
  Reflect.set(Error, "stackTraceLimit", own + limit)
  const caller = new Error()
  Reflect.set(Error, "stackTraceLimit", before)
  return caller
}

const linesOf = ({ stack = "" }: Caller): ReadonlyArray<string> =>
  stack.split("\n").filter((line) => /^\s+at /.test(line)).slice(own)

// Returns where the program called the function that calls `here`. Effect reads the place from the second frame of a stack.
export const here = (): Caller => {
  const caller = capture(1)
  return caller === undefined ? {} : {
    get stack() {
      return ["", "", ...linesOf(caller)].join("\n")
    }
  }
}

let current: Caller | undefined

// Returns the place of the program's call of a library function. The library function must call `of` directly, not through a
// nested function.
export const of = (): Caller | undefined => current ?? capture(frames)

// Runs a library function that makes calls on behalf of the program's caller.
export const on = <A>(behalf: Caller | undefined, run: () => A): A => {
  const before = current
  current = behalf
  try {
    return run()
  } finally {
    current = before
  }
}

// The frames from the first such line on are Effect's, or Node's, which runs a module.
const below = /Generator\.next|[\\/]node_modules[\\/](?:\.pnpm[\\/])?effect[@\\/]|\bnode:internal[\\/]/

// This library's frames, such as those that run a handler of the program.
const library = /[\\/]node_modules[\\/]@effect-jumpstarter[\\/]core[\\/]/

const programOf = (caller: Caller): ReadonlyArray<string> => {
  const lines = linesOf(caller)
  const end = lines.findIndex((line) => below.test(line))
  return lines.slice(0, end === -1 ? undefined : end).filter((line) => !library.test(line))
}

// For an error that no line of this program explains, such as a request that a host refuses.
export const nowhere: Caller = { stack: "" }

// Returns the same error with a stack that shows where the program made the call. The stack is not a field, so it takes no part in
// equality and encoding.
export const blame = <E extends Error>(error: E, { caller }: { readonly caller?: Caller | undefined }): E =>
  caller === undefined ? error : Object.defineProperty(error, "stack", {
    configurable: true,
    enumerable: false,
    get: () => [`${error.name}: ${error.message}`, ...programOf(caller)].join("\n"),
    set(value: unknown) {
      Object.defineProperty(error, "stack", { configurable: true, enumerable: false, writable: true, value })
    }
  })
