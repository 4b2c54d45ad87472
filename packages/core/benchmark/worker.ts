// Processes that speak in lines of JSON.
import { Data, Effect, Queue, Schema, type Scope } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** A program with its arguments. */
export type Command = readonly [string, ...ReadonlyArray<string>]

/** A work that failed, or gave a wrong result. */
export class WorkFailed extends Data.TaggedError("WorkFailed")<{ readonly worker: string; readonly details: string }> {
  override get message(): string {
    return `${this.worker}: ${this.details}`
  }
}

/**
 * What a work took: seconds of wall time, seconds of processor time, and by how many bytes the process grew. `router` is the processor
 * time of the router, where there is one.
 */
export const Measurement = Schema.Struct({
  seconds: Schema.Number,
  cpu: Schema.Number,
  growth: Schema.Number,
  router: Schema.optional(Schema.Number)
})

export type Measurement = typeof Measurement.Type

const Failed = Schema.Struct({ error: Schema.String })

export interface Worker {
  /** Has a work done, and answers with what it took. */
  readonly ask: (work: object) => Effect.Effect<Measurement, WorkFailed>
}

// The longest work takes seconds.
const patience = "5 minutes"

const repository = fileURLToPath(new URL("../../../", import.meta.url))

/** A program of the directory `interop`. */
export const pythonProgram = (python: string, name: string): Command => [
  python,
  fileURLToPath(new URL(`../../../interop/${name}`, import.meta.url))
]

// A process that ends with the scope: its standard input ends first, and if it does not end then, it is killed.
const launch = (name: string, [file, ...args]: Command, env: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const lines = yield* Queue.unbounded<string>()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(file, args, {
          cwd: repository,
          env: { ...process.env, ...env },
          stdio: ["pipe", "pipe", "inherit"]
        })
        const fail = (error: string) => lines.unsafeOffer(JSON.stringify({ error }))
        createInterface({ input: child.stdout }).on("line", (line) => lines.unsafeOffer(line))
        // That nobody reads is known from the end of the process.
        child.stdin.on("error", () => {})
        child.once("error", ({ message }) => fail(message))
        child.once("close", (code, signal) => fail(`the process ended with ${String(code ?? signal)}`))
        return child
      }),
      (child) =>
        Effect.async<void>((resume) => {
          if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
          child.once("close", () => resume(Effect.void))
          child.stdin.end()
        }).pipe(
          Effect.interruptible,
          Effect.timeoutOption("5 seconds"),
          Effect.zipRight(Effect.sync(() => child.kill("SIGKILL")))
        )
    )
    const failed = (details: string) => new WorkFailed({ worker: name, details })
    const answer = <A, I>(schema: Schema.Schema<A, I>): Effect.Effect<A, WorkFailed> =>
      Effect.flatMap(
        Queue.take(lines),
        (line) =>
          Effect.matchEffect(Schema.decode(Schema.parseJson(Schema.Union(Failed, schema)))(line), {
            onFailure: () => failed(`said ${line}`),
            onSuccess: (answer) => Schema.is(Failed)(answer) ? failed(answer.error) : Effect.succeed(answer)
          })
      )
    return { answer, say: (message: object) => Effect.sync(() => child.stdin.write(`${JSON.stringify(message)}\n`)) }
  })

/** Starts a process that does work until the scope closes, and waits until it is ready. */
export const start = (name: string, command: Command): Effect.Effect<Worker, WorkFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { answer, say } = yield* launch(name, command, {})
    yield* answer(Schema.Struct({ pid: Schema.Number }))
    return {
      ask: (work) =>
        Effect.timeoutFail(Effect.zipRight(say(work), answer(Measurement)), {
          duration: patience,
          onTimeout: () => new WorkFailed({ worker: name, details: `no answer after ${patience}` })
        })
    }
  })

/** Runs a program from its start to its first line. */
export const once = (
  name: string,
  command: Command,
  env: Readonly<Record<string, string>>
): Effect.Effect<Measurement, WorkFailed> =>
  Effect.scoped(Effect.gen(function*() {
    const start = performance.now()
    const { answer } = yield* launch(name, command, env)
    const { cpu } = yield* answer(Schema.Struct({ cpu: Schema.Number }))
    return { seconds: (performance.now() - start) / 1000, cpu, growth: 0 }
  }))
