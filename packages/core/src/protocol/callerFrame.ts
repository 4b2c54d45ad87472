// Where the program made a call, as `Effect.fn` finds it out: the top of the stack is captured at once, which takes a few
// microseconds, and made readable only when somebody reads the stack of an error.

export interface Caller {
  readonly stack?: string | undefined
}

// The program's own functions, in the order in which they called one another.
const frames = 3

// The frames above the program's: `capture`, what calls it, and the library's function that the program called.
const own = 3

// The stack with as many of the program's frames. An `Error` costs half of what `captureStackTrace` does.
// `node --stack-trace-limit=0` captures nothing.
const capture = (limit: number): Caller | undefined => {
  const before = Error.stackTraceLimit
  if (!(before > 0)) return undefined
  // Where the intrinsics are frozen the limit is as it is.
  Reflect.set(Error, "stackTraceLimit", own + limit)
  const caller = new Error()
  Reflect.set(Error, "stackTraceLimit", before)
  return caller
}

const linesOf = ({ stack = "" }: Caller): ReadonlyArray<string> =>
  stack.split("\n").filter((line) => /^\s+at /.test(line)).slice(own)

// Where the program calls the function that calls this one: the second line of a stack, as Effect reads it.
export const here = (): Caller => {
  const caller = capture(1)
  return caller === undefined ? {} : {
    get stack() {
      return ["", "", ...linesOf(caller)].join("\n")
    }
  }
}

let current: Caller | undefined

// The program's call of a function of this library, which has to call this one by itself, not in a function of its own.
export const of = (): Caller | undefined => current ?? capture(frames)

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

const programOf = (caller: Caller): ReadonlyArray<string> => {
  const lines = linesOf(caller)
  const end = lines.findIndex((line) => below.test(line))
  return end === -1 ? lines : lines.slice(0, end)
}

// The same error, whose stack is where the program made the call. The stack is no field: equality and encoding do not know
// it.
export const blame = <E extends Error>(error: E, { caller }: { readonly caller?: Caller | undefined }): E =>
  caller === undefined ? error : Object.defineProperty(error, "stack", {
    configurable: true,
    enumerable: false,
    get: () => [`${error.name}: ${error.message}`, ...programOf(caller)].join("\n"),
    set(value: unknown) {
      Object.defineProperty(error, "stack", { configurable: true, enumerable: false, writable: true, value })
    }
  })
