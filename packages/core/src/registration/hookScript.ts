// A hook that is a script, as in configuration files (protocol.md 9.4). Its process has no token in its environment, and ends with all that
// it started.
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { HookScript } from "../controller/ExporterConfig.ts"
import * as interruptible from "../util/interruptible.ts"
import { CurrentLease, type Hook, type LentLease, Secret } from "./hook.ts"

class ScriptFailed extends Data.TaggedError("ScriptFailed")<{ readonly message: string; readonly cause?: Error }> {}

// After SIGTERM, and for what is left of its output.
const grace = Duration.seconds(5)

const secrets: ReadonlySet<string> = new Set(["JMP_TOKEN", "JMP_REFRESH_TOKEN", "JMP_GRPC_PASSPHRASE"])

/** The environment of this process without what a script must not have. */
const environment = (secret: string): Record<string, string> => {
  // eslint-disable-next-line no-restricted-properties -- `extendEnv` cannot leave out a variable, and Config does not list names
  const inherited = Object.entries(process.env)
  const kept: Record<string, string> = {}
  for (const [name, value] of inherited) {
    const isSecret = secrets.has(name) || secret !== "" && value?.includes(secret) === true
    if (value !== undefined && !isSecret && name !== "PS1") kept[name] = value
  }
  return kept
}

const interpreterOf = (file: string): string => file.endsWith(".py") ? "python3" : "/bin/sh"

const commandOf = (
  { exec, script }: HookScript
): Effect.Effect<readonly [string, ...ReadonlyArray<string>], never, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const file = script.trim()
    const isFile = !file.includes("\n") &&
      (yield* Effect.orElseSucceed(Effect.map(fileSystem.stat(file), ({ type }) => type === "File"), () => false))
    return isFile ? [exec ?? interpreterOf(file), file] : [exec ?? "/bin/sh", "-c", script]
  })

// The group of a process that the executor starts has the number of that process.
const killGroup = (pid: number): Effect.Effect<void> =>
  Effect.ignore(Effect.try(() => process.platform === "win32" ? true : process.kill(-pid, "SIGKILL")))

/** Starts a process, and ends its whole group with the scope. */
const start = (
  command: Command.Command
): Effect.Effect<
  CommandExecutor.Process,
  PlatformError.PlatformError,
  CommandExecutor.CommandExecutor | Scope.Scope
> =>
  Effect.tap(Command.start(command), (child) =>
    // Before the executor's own finalizer, which waits for the end of a process that may ignore SIGTERM.
    Effect.addFinalizer(() =>
      Effect.gen(function*() {
        if (yield* Effect.orElseSucceed(child.isRunning, () => false)) {
          yield* Effect.ignore(interruptible.timeoutOption(child.kill("SIGTERM"), grace))
        }
        yield* killGroup(child.pid)
      })
    ))

const explained = (cause: PlatformError.PlatformError): ScriptFailed =>
  new ScriptFailed({ message: `Error executing hook: ${cause.message}`, cause })

// How much of its message of the day is read.
const longestMessage = 64 * 1024

/** The file into which the hook before a lease can write a message of the day. It is read when the script has ended. */
const messageFile = (lease: LentLease) =>
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const file = yield* Effect.mapError(fileSystem.makeTempFileScoped({ prefix: "ej-motd-" }), explained)
    const message = Effect.scoped(Effect.flatMap(
      fileSystem.open(file),
      (opened) => opened.readAlloc(longestMessage)
    )).pipe(
      Effect.map(Option.match({ onNone: () => "", onSome: (bytes) => new TextDecoder().decode(bytes).trim() }))
    )
    yield* Effect.addFinalizer(() =>
      Effect.catchAll(
        Effect.flatMap(message, lease.announce),
        (error) => Effect.logWarning(`the message of the day of the hook cannot be read: ${error.message}`)
      )
    )
    return { JMP_MOTD_FILE: file }
  })

/** Makes a hook from a script. */
export const make = (
  script: HookScript
): Hook<CurrentLease | CommandExecutor.CommandExecutor | FileSystem.FileSystem> => ({
  timeout: script.timeout,
  onFailure: script.onFailure,
  run: Effect.scoped(Effect.gen(function*() {
    const lease = yield* CurrentLease
    const secret = Redacted.value(yield* Secret)
    const socket = yield* lease.serveUnix
    const message = lease.hook === "beforeLease" ? yield* messageFile(lease) : {}
    const [interpreter, ...args] = yield* commandOf(script)
    const child = yield* start(
      Command.make(interpreter, ...args).pipe(
        Command.stdin(Stream.empty),
        Command.env({ ...environment(secret), ...lease.environment(socket), ...message }, { extendEnv: false })
      )
    ).pipe(Effect.mapError(explained))
    const lines = Stream.merge(
      Stream.splitLines(Stream.decodeText(child.stdout)),
      Stream.splitLines(Stream.decodeText(child.stderr))
    )
    const output = yield* lines.pipe(
      Stream.filter((line) => line.trim() !== ""),
      Stream.runForEach((line) => Effect.logInfo(line.trimEnd())),
      Effect.ignore,
      interruptible.forkScoped
    )
    const code = yield* Effect.mapError(child.exitCode, explained)
    // What it started may hold its output open.
    yield* killGroup(child.pid)
    yield* interruptible.timeoutOption(Fiber.join(output), grace)
    if (code !== 0) return yield* new ScriptFailed({ message: `Hook failed with exit code ${code}` })
  }))
})
