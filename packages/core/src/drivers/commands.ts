// Commands at a prompt that have to succeed: an exit code other than 0 is a failure.
import * as Effect from "effect/Effect"
import * as callers from "../protocol/callerFrame.ts"
import * as Console from "./Console.ts"
import * as commandLine from "./console/commandLine.ts"

export const failed = (
  command: string,
  { code, lines }: Console.CommandResult,
  caller: callers.Caller | undefined,
  reason = `failed with code ${code}`
): Console.CommandFailed =>
  callers.blame(new Console.CommandFailed({ command, code, output: lines, reason }), { caller })

// Runs a command, and returns the lines that it prints.
export const run = <E>(
  console: Console.Console<E>,
  command: commandLine.Typed,
  options: Console.RunOptions
): Effect.Effect<
  ReadonlyArray<string>,
  E | Console.ExpectError | Console.InvalidCommand | Console.CommandFailed
> => {
  const caller = callers.of()
  return Effect.flatMap(
    callers.on(caller, () => Console.run(console, command, options)),
    (result) => result.code === 0 ? Effect.succeed(result.lines) : failed(commandLine.shown(command), result, caller)
  )
}
