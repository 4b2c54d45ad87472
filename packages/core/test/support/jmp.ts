// Python's own programs, from the published packages, in a lab of the stand-in of a controller, on TLS.
import { Command, type CommandExecutor, FileSystem, Path } from "@effect/platform"
import type { PlatformError } from "@effect/platform/Error"
import { Effect, Redacted, type Scope, Stream } from "effect"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as certificates from "./certificates.ts"
import { type Command as Program, repository } from "./process.ts"
import * as python from "./python.ts"

const local = { host: "127.0.0.1", port: 0 } as const

/** A stand-in on TLS, and the configuration of Python's programs that use it. */
export const make = (options: ControllerTest.ControllerTestOptions = {}) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { ca, certificate } = yield* certificates.localhost
    const listen = { ...local, certificate }
    const lab = yield* ControllerTest.make({ ...options, listen: { controller: listen, router: listen } })
    const home = yield* fs.makeTempDirectoryScoped({ prefix: "ej-" })

    /** Writes the configuration of a client or an exporter; `rest` is what it has besides its credentials. */
    const write = Effect.fnUntraced(function*(
      { kind, ...credentials }: ControllerTest.Credentials,
      rest: Readonly<Record<string, unknown>>
    ) {
      const folder = path.join(home, kind === "Client" ? "clients" : "exporters")
      yield* fs.makeDirectory(folder, { recursive: true })
      // JSON is YAML, too.
      yield* fs.writeFileString(
        path.join(folder, `${credentials.name}.yaml`),
        JSON.stringify({
          apiVersion: "jumpstarter.dev/v1alpha1",
          kind: `${kind}Config`,
          metadata: { namespace: credentials.namespace, name: credentials.name },
          endpoint: credentials.endpoint,
          token: Redacted.value(credentials.token),
          tls: { ca: Buffer.from(ca).toString("base64"), insecure: false },
          ...rest
        })
      )
    })

    const commandOf = ([program, ...before]: Program) => (...args: ReadonlyArray<string>) =>
      Command.make(program, ...before, ...args).pipe(
        Command.env({
          JMP_CLIENT_CONFIG_HOME: home,
          TMPDIR: home,
          PATH: `${path.dirname(program)}:${process.env["PATH"] ?? ""}`,
          // The drivers of the interop tests.
          PYTHONPATH: path.join(repository, "interop"),
          COLUMNS: "200"
        })
      )
    const command = commandOf(python.jmp())

    /** Runs an exporter until the scope closes. */
    const exporter = (name: string): Effect.Effect<
      void,
      PlatformError,
      CommandExecutor.CommandExecutor | Scope.Scope
    > =>
      Effect.gen(function*() {
        const child = yield* Effect.acquireRelease(
          Command.start(command("run", "--exporter", name)),
          (child) => Effect.ignore(child.kill("SIGTERM"))
        )
        // It waits for a reader of its log.
        yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(Stream.merge(child.stdout, child.stderr))))
      })

    return { lab, ca, home, write, command, hurried: commandOf(python.hurriedJmp()), exporter }
  })

/** Runs a program to its end. */
export const run = (command: Command.Command) =>
  Effect.scoped(Effect.gen(function*() {
    const child = yield* Command.start(Command.stderr(command, "pipe"))
    const [stdout, stderr, code] = yield* Effect.all([
      Stream.mkString(Stream.decodeText(child.stdout)),
      Stream.mkString(Stream.decodeText(child.stderr)),
      child.exitCode
    ], { concurrency: 3 })
    return { stdout, stderr, code: Number(code) }
  }))
