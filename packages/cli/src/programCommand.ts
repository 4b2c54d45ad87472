// Another program that runs with an exporter.
import * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { constants } from "node:os"
import { CommandError, ExitCode } from "./failure.ts"
import { Tty } from "./Tty.ts"

const shell = Effect.orElseSucceed(Config.string("SHELL"), () => "/bin/sh")

interface Running {
  /** The exit code; 128 and the number of the signal that ended the program, as shells have it. */
  readonly code: Deferred.Deferred<number>
  readonly kill: (signal: NodeJS.Signals) => void
}

const codeOf = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + (signal === null ? 0 : constants.signals[signal])

// A program at a terminal shares it with this process, so it stays in the same group: a shell can only then run its jobs in the
// foreground. Elsewhere the program leads a group, so that what it has started ends with it.
const killer = (child: ChildProcess, leads: boolean) => (signal: NodeJS.Signals): void => {
  if (child.pid === undefined || !leads) {
    child.kill(signal)
    return
  }
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group has ended.
  }
}

const started = (
  program: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
  isAtTerminal: boolean
): Effect.Effect<Running, CommandError> =>
  Effect.async<Running, CommandError>((resume) => {
    const leads = !isAtTerminal && process.platform !== "win32"
    const code = Deferred.unsafeMake<number>(FiberId.none)
    const fail = (error: unknown) => {
      const why = error instanceof Error ? error.message : String(error)
      const message = `cannot run ${program}: ${why}; check its name and the PATH`
      resume(Effect.fail(new CommandError({ kind: "local", message })))
    }
    try {
      const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, ...environment }, detached: leads })
      child.once("spawn", () => resume(Effect.succeed({ code, kill: killer(child, leads) })))
      child.on("error", fail)
      child.once("exit", (...end) => Deferred.unsafeDone(code, Effect.succeed(codeOf(...end))))
    } catch (error) {
      // A name that no program can have.
      fail(error)
    }
  })

// How long a program may take to end after SIGHUP or SIGTERM.
const patience = "5 seconds"

/** Runs until the scope closes. A shell at a terminal ignores SIGTERM, and ends with the terminal. */
const scoped = (
  start: Effect.Effect<Running, CommandError>,
  isAtTerminal: boolean
): Effect.Effect<Running, CommandError, Scope.Scope> =>
  Effect.acquireRelease(start, ({ code, kill }) =>
    Effect.gen(function*() {
      if (yield* Deferred.isDone(code)) return
      kill(isAtTerminal ? "SIGHUP" : "SIGTERM")
      const ended = yield* Effect.timeoutOption(Effect.interruptible(Deferred.await(code)), patience)
      if (Option.isSome(ended)) return
      kill("SIGKILL")
      yield* Deferred.await(code)
    }))

/**
 * Runs a program with the terminal of this process, a shell unless given, and fails with its exit code. Ctrl-C at a terminal is for the
 * program.
 */
export const run = (
  words: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>
): Effect.Effect<void, CommandError | ExitCode, Tty> =>
  Effect.gen(function*() {
    const [program = yield* shell, ...args] = words
    const { input: { isTerminal, lent } } = yield* Tty
    if (isTerminal) yield* lent
    const { code } = yield* scoped(started(program, args, environment, isTerminal), isTerminal)
    const ended = yield* Deferred.await(code)
    if (ended !== 0) yield* new ExitCode({ code: ended })
  }).pipe(Effect.scoped)
