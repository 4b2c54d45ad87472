// Exporters in their own processes: the TypeScript probe and interop/exporter.py. Both take the same options,
// print one JSON line when they are ready, and end when their standard input does.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as program from "./program.ts"
import * as temporary from "./temporary.ts"

const Ready = Schema.parseJson(Schema.Struct({
  unix: Schema.String,
  pid: Schema.Number,
  tcp: Schema.optional(Schema.String),
  tls: Schema.optional(Schema.Struct({ address: Schema.String, ca: Schema.String })),
  passphraseTcp: Schema.optional(Schema.String)
}))

export interface ExporterProcess {
  readonly ready: typeof Ready.Type
  /** Kills the process like a crash, and waits until it is gone. */
  readonly kill: Effect.Effect<void>
}

/** A command that starts an exporter. */
export type Command = readonly [string, ...ReadonlyArray<string>]

/** The root of the repository. */
export const repository = fileURLToPath(new URL("../../../../", import.meta.url))

/** The TypeScript probe in its own process. */
export const typescript = (): Command => [process.execPath, program.path("probeServer")]

/** Starts an exporter, and ends it with the scope. */
export const start = (
  [file, ...args]: Command,
  options: ReadonlyArray<string> = []
): Effect.Effect<ExporterProcess, never, Scope.Scope> =>
  Effect.gen(function*() {
    // A killed process leaves its temporary files behind. The scope removes these.
    const directory = yield* temporary.directory
    const exited = yield* Deferred.make<void>()
    const firstLine = yield* Deferred.make<string>()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(file, [...args, ...options], {
          cwd: repository,
          env: { ...process.env, TMPDIR: directory },
          stdio: ["pipe", "pipe", "pipe"]
        })
        let stdout = ""
        let stderr = ""
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          stdout += text
          const end = stdout.indexOf("\n")
          if (end !== -1) Deferred.unsafeDone(firstLine, Effect.succeed(stdout.slice(0, end)))
        })
        child.stderr.setEncoding("utf8").on("data", (text: string) => {
          stderr += text
        })
        // Writing to a killed process fails, as expected.
        child.stdin.on("error", () => {})
        child.once("error", (error) => Deferred.unsafeDone(firstLine, Effect.die(error)))
        child.once("close", (code, signal) => {
          Deferred.unsafeDone(
            firstLine,
            Effect.dieMessage(`the exporter ended with ${code ?? signal} before it was ready: ${stderr}`)
          )
          Deferred.unsafeDone(exited, Effect.void)
        })
        return child
      }),
      (child) =>
        Effect.sync(() => child.stdin.end()).pipe(
          Effect.zipRight(Deferred.await(exited)),
          Effect.interruptible,
          Effect.timeoutOption("5 seconds"),
          Effect.zipRight(Effect.sync(() => child.kill("SIGKILL")))
        )
    )
    const line = yield* Deferred.await(firstLine)
    return {
      ready: yield* Effect.orDie(Schema.decode(Ready)(line)),
      kill: Effect.zipRight(Effect.sync(() => child.kill("SIGKILL")), Deferred.await(exited))
    }
  })
