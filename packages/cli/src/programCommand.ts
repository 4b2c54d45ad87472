// Another program that runs with an exporter.
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { CommandError, ExitCode } from "./failure.ts"

const shell = Effect.orElseSucceed(Config.string("SHELL"), () => "/bin/sh")

/** Runs a program with the terminal of this process, a shell unless given, and fails with its exit code. */
export const run = (
  words: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>
): Effect.Effect<void, CommandError | ExitCode, CommandExecutor.CommandExecutor> =>
  Effect.gen(function*() {
    const [program = yield* shell, ...args] = words
    const code = yield* Command.make(program, ...args).pipe(
      Command.env(environment),
      Command.stdin("inherit"),
      Command.stdout("inherit"),
      Command.stderr("inherit"),
      Command.exitCode,
      Effect.mapError(({ message }) =>
        new CommandError({ kind: "local", message: `cannot run ${program}: ${message}; check its name and the PATH` })
      )
    )
    if (code !== 0) yield* new ExitCode({ code })
  })
