// Our host for the soak, in a process of its own: `soakProcess.ts PATH CERTIFICATE KEY`. Besides what the benchmark calls it has a
// driver that tells what the process holds on to. It also has a lab on TLS, with exporters to lease.
import { Driver, Exporter } from "@effect-jumpstarter/core"
import { ControllerTest } from "@effect-jumpstarter/core/testing"
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Redacted, Schedule, Stream } from "effect"
import { readFile } from "node:fs/promises"
import * as census from "./census.ts"
import * as driver from "./driver.ts"
import * as memoryWatch from "./memoryWatch.ts"
import { slowExporters, slowHook } from "./slowExporters.ts"

let open = 0
let growth = () => 0

const hang = Effect.acquireRelease(
  Effect.sync(() => void open++),
  () => Effect.sync(() => void open--)
).pipe(Effect.zipRight(Effect.never), Effect.scoped)

const [, , path = "", certificate = "", key = ""] = process.argv

const read = (file: string) => Effect.promise(() => readFile(file, "utf8"))

const lab = Effect.gen(function*() {
  const listen = {
    host: "127.0.0.1",
    port: 0,
    certificate: { chain: yield* read(certificate), privateKey: Redacted.make(yield* read(key)) }
  }
  const lab = yield* ControllerTest.make({ listen: { controller: listen, router: listen }, latency: "none" })
  yield* lab.hostExporter("soak", { bench: driver.bench() })
  for (const name of slowExporters) {
    yield* lab.hostExporter(name, { bench: driver.bench() }, {
      hooks: { beforeLease: { run: Effect.sleep(slowHook), timeout: "1 minute" } }
    })
  }
  const { endpoint, name, namespace, token } = yield* lab.addClient("soak")
  return { endpoint, name, namespace, token: Redacted.value(token) }
})

const makeSoak = (client: Effect.Effect.Success<typeof lab>) =>
  Driver.make({
    client: "jumpstarter.client.DriverClient",
    methods: {
      hang: Driver.call(() => hang),
      ticks: Driver.streamingCall(() => Stream.as(Stream.fromSchedule(Schedule.spaced("1 millis")), null)),
      open: Driver.call(() => Effect.sync(() => open)),
      census: Driver.call(() => Effect.promise(() => census.take())),
      watch: Driver.call(() =>
        Effect.sync(() => {
          growth = memoryWatch.watch()
        })
      ),
      growth: Driver.call(() => Effect.sync(() => growth())),
      client: Driver.call(() => Effect.succeed(client))
    }
  })

const inputEnded = Effect.async<void>((resume) => {
  process.stdin.resume().once("close", () => resume(Effect.void))
})

Effect.gen(function*() {
  const soak = makeSoak(yield* lab)
  const exporter = yield* Exporter.make(Driver.composite({ bench: driver.bench(), soak }))
  yield* Exporter.serve(exporter, { path })
  process.stdout.write(`${JSON.stringify({ pid: process.pid })}\n`)
  yield* inputEnded
}).pipe(Effect.scoped, NodeRuntime.runMain)
