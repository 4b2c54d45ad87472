// A lab in a process of its own: `labProcess.ts HOME PYTHON INTEROP PROGRAM...`. It has two exporters of each kind, `python` and `ours`,
// which PROGRAM runs. The exporter `KIND` is leased under the name `KIND` to the client of `HOME/clients/KIND.yaml`, and `KIND-spare` is
// free. It prints a line when that is so, answers each line with its own processor time, which is that of its router, when the spare ones
// are free, and ends when its standard input does.
import { ClientConfig, Controller } from "@effect-jumpstarter/core"
import { ControllerTest } from "@effect-jumpstarter/core/testing"
import { FetchHttpClient } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Logger, Redacted, Schedule } from "effect"
import { spawn } from "node:child_process"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"

const [home = "", python = "", interop = "", ...program] = process.argv.slice(2)

const read = (name: string) => Effect.promise(() => readFile(join(home, name), "utf8"))

const write = (
  { kind, ...credentials }: ControllerTest.Credentials,
  ca: string,
  rest: Readonly<Record<string, unknown>>
) =>
  Effect.promise(async () => {
    const folder = join(home, kind === "Client" ? "clients" : "exporters")
    await mkdir(folder, { recursive: true })
    // JSON is YAML, too.
    const text = JSON.stringify({
      apiVersion: "jumpstarter.dev/v1alpha1",
      kind: `${kind}Config`,
      metadata: { namespace: credentials.namespace, name: credentials.name },
      endpoint: credentials.endpoint,
      token: Redacted.value(credentials.token),
      tls: { ca: Buffer.from(ca).toString("base64") },
      ...rest
    })
    await writeFile(join(folder, `${credentials.name}.yaml`), text, { mode: 0o600 })
  })

const kinds = ["python", "ours"] as const

type Kind = (typeof kinds)[number]

const spareOf = (kind: Kind) => `${kind}-spare`

const start = (kind: Kind, name: string) => {
  const [command = "", ...args] = kind === "python"
    ? [join(dirname(python), "jmp"), "run", "--exporter", name]
    : [...program, "--register", join(home, "exporters", `${name}.yaml`)]
  return spawn(command, args, {
    env: { ...process.env, JMP_CLIENT_CONFIG_HOME: home, PYTHONPATH: interop },
    // Ours ends with its standard input.
    stdio: [kind === "ours" ? "pipe" : "ignore", "ignore", "ignore"]
  })
}

const running = (kind: Kind, name: string) =>
  Effect.acquireRelease(
    Effect.sync(() => start(kind, name)),
    (child) =>
      Effect.async<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
        child.once("close", () => resume(Effect.void))
        child.kill("SIGTERM")
      })
  )

Effect.gen(function*() {
  const chain = yield* read("certificate.pem")
  const listen = {
    host: "127.0.0.1",
    port: 0,
    certificate: { chain, privateKey: Redacted.make(yield* read("key.pem")) }
  }
  const lab = yield* ControllerTest.make({ listen: { controller: listen, router: listen } })
  const status = (name: string, status: string) =>
    Effect.repeat(lab.exporters, {
      until: (exporters) =>
        exporters.some((exporter) =>
          exporter.name === name && exporter.status === status &&
          (status !== "AVAILABLE" || exporter.lease === undefined)
        ),
      schedule: Schedule.spaced("50 millis")
    })
  for (const kind of kinds) {
    const names = [kind, spareOf(kind)]
    for (const name of names) {
      const drivers = kind === "ours" ? {} : { export: { bench: { type: "bench_exporter.BenchDriver" } } }
      yield* write(yield* lab.addExporter(name), chain, drivers)
      yield* running(kind, name)
    }
    const client = yield* lab.addClient(kind)
    yield* write(client, chain, { drivers: { allow: [], unsafe: true } })
    yield* Effect.forEach(names, (name) => status(name, "AVAILABLE"))
    const controller = yield* Effect.flatMap(ClientConfig.make({ ...client, tls: { ca: chain } }), Controller.make)
    yield* controller.createLease({ name: kind, exporterName: kind, duration: "1 day" })
    yield* status(kind, "LEASE_READY")
  }
  const say = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`)
  say({ pid: process.pid })
  const answer = Effect.map(Effect.forEach(kinds, (kind) => status(spareOf(kind), "AVAILABLE")), () => {
    const { system, user } = process.cpuUsage()
    say({ seconds: performance.now() / 1000, cpu: (system + user) / 1e6, growth: 0 })
  })
  yield* Effect.async<void>((resume) => {
    createInterface({ input: process.stdin })
      .on("line", () => void Effect.runFork(answer))
      .once("close", () => resume(Effect.void))
  })
}).pipe(
  Effect.scoped,
  Effect.provide(FetchHttpClient.layer),
  // Standard output is for answers.
  Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))),
  NodeRuntime.runMain
)
