// The credentials of a registry on a board. They are typed on its console, and neither the console nor an error shows them.
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as callers from "../../protocol/callerFrame.ts"
import type { DriverCallError } from "../../protocol/DriverError.ts"
import * as Console from "../Console.ts"
import type { Typed } from "../console/commandLine.ts"
import * as deviceShell from "./deviceShell.ts"
import type { RegistryCredentials } from "./image.ts"

export type ShellError = DriverCallError | Console.ExpectError | Console.InvalidCommand | Console.CommandFailed

export interface Shell {
  readonly console: Console.Console<DriverCallError>
  readonly run: (
    command: Typed,
    options?: { readonly timeout?: Duration.DurationInput | undefined }
  ) => Effect.Effect<ReadonlyArray<string>, ShellError>
}

/** Stores credentials on the board. Returns false, and stores nothing, if the console would show what is typed. */
export const store = (
  { console, run }: Shell,
  { password, username }: RegistryCredentials
): Effect.Effect<boolean, ShellError> => {
  const caller = callers.of()
  const on = <A>(call: () => A): A => callers.on(caller, call)
  return Effect.gen(function*() {
    yield* on(() => run(deviceShell.echo.off))
    // A shell whose line editor has an echo of its own shows the variable's name before its value.
    yield* console.sendLine("echo e=$?")
    const { groups } = yield* on(() => console.expect(/e=(\$\?|\d)/, { timeout: "1 minute" }))
    if (groups[0] === "$?") return false
    for (const command of deviceShell.storeCredentials(username, Redacted.value(password))) {
      yield* on(() => run(Redacted.make(command)))
    }
    yield* on(() => run(deviceShell.echo.on))
    return true
  })
}

/** Removes a password from what the board has printed in an error. */
export const hide = (
  error: ShellError,
  { password }: RegistryCredentials,
  caller: callers.Caller | undefined
): ShellError => {
  const without = (text: string): string => text.replaceAll(Redacted.value(password), String(password))
  if (error._tag === "CommandFailed") {
    const { code, command, output, reason } = error
    const hidden = new Console.CommandFailed({ command, code, reason, output: output.map(without) })
    return callers.blame(hidden, { caller })
  }
  if (error._tag === "ExpectError") {
    const { console, hint, pattern, pending, reason, timeout } = error
    const hidden = new Console.ExpectError({ console, hint, pattern, reason, timeout, pending: without(pending) })
    return callers.blame(hidden, { caller })
  }
  return error
}
