// A lab in a process of its own: `labProcess.ts HOME PYTHON INTEROP`. Of its Python exporters `bench` is leased under the name `bench` to
// the client of `HOME/clients/bench.yaml`, and `spare` is free. It prints a line when that is so, answers each line with its own processor
// time, which is that of its router, when `spare` is free, and ends when its standard input does.
import { ClientConfig, Controller } from "@effect-jumpstarter/core"
import { ControllerTest } from "@effect-jumpstarter/core/testing"
import { FetchHttpClient } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Logger, Redacted, Schedule } from "effect"
import { spawn } from "node:child_process"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"

const [home = "", python = "", interop = ""] = process.argv.slice(2)

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

const running = (name: string) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(join(dirname(python), "jmp"), ["run", "--exporter", name], {
        env: { ...process.env, JMP_CLIENT_CONFIG_HOME: home, PYTHONPATH: interop },
        stdio: "ignore"
      })
    ),
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
  const names = ["bench", "spare"]
  for (const name of names) {
    yield* write(yield* lab.addExporter(name), chain, { export: { bench: { type: "bench_exporter.BenchDriver" } } })
  }
  const client = yield* lab.addClient("bench")
  yield* write(client, chain, { drivers: { allow: [], unsafe: true } })
  yield* Effect.forEach(names, running)
  const status = (name: string, status: string) =>
    Effect.repeat(lab.exporters, {
      until: (exporters) =>
        exporters.some((exporter) =>
          exporter.name === name && exporter.status === status &&
          (status !== "AVAILABLE" || exporter.lease === undefined)
        ),
      schedule: Schedule.spaced("50 millis")
    })
  yield* Effect.forEach(names, (name) => status(name, "AVAILABLE"))
  const controller = yield* Effect.flatMap(ClientConfig.make({ ...client, tls: { ca: chain } }), Controller.make)
  yield* controller.createLease({ name: "bench", exporterName: "bench", duration: "1 day" })
  yield* status("bench", "LEASE_READY")
  const say = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`)
  say({ pid: process.pid })
  const answer = Effect.map(status("spare", "AVAILABLE"), () => {
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
