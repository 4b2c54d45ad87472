// Our host for the soak, in a process of its own: `soakProcess.ts PATH`. Besides what the benchmark calls it has a
// driver that tells what the process holds on to.
import { Driver, Exporter } from "@effect-jumpstarter/core"
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Schedule, Stream } from "effect"
import * as census from "./census.ts"
import * as driver from "./driver.ts"
import * as memoryWatch from "./memoryWatch.ts"

let open = 0
let growth = () => 0

const hang = Effect.acquireRelease(
  Effect.sync(() => void open++),
  () => Effect.sync(() => void open--)
).pipe(Effect.zipRight(Effect.never), Effect.scoped)

const soak = Driver.make({
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
    growth: Driver.call(() => Effect.sync(() => growth()))
  }
})

const inputEnded = Effect.async<void>((resume) => {
  process.stdin.resume().once("close", () => resume(Effect.void))
})

Effect.gen(function*() {
  const exporter = yield* Exporter.make(Driver.composite({ bench: driver.bench(), soak }))
  yield* Exporter.serve(exporter, { path: process.argv[2] ?? "" })
  process.stdout.write(`${JSON.stringify({ pid: process.pid })}\n`)
  yield* inputEnded
}).pipe(Effect.scoped, NodeRuntime.runMain)
