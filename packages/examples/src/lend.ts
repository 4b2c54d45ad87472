// Lends a board through a Jumpstarter service, with hooks around each lease, and leases it. The service is in memory here.
import {
  Device,
  Driver,
  type DriverFailure,
  ExporterConnection,
  ExporterRegistration,
  Lease
} from "@effect-jumpstarter/core"
import { Power } from "@effect-jumpstarter/core/drivers"
import { ControllerTest } from "@effect-jumpstarter/core/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Logger, LogLevel } from "effect"

class BoardPower extends Device.Tag("example/BoardPower", Power.contract)<BoardPower>() {}

const openRelay = Effect.acquireRelease(
  Effect.as(Console.log("  relay opened for a lease, or for the first report"), {
    set: (closed: boolean): Effect.Effect<void, DriverFailure.DriverFailure> =>
      Console.log(`  relay ${closed ? "on" : "off"}`)
  }),
  () => Console.log("  relay released")
)

// Runs anew for each lease. The next client gets no state of the last one.
const makeBoard = Effect.map(openRelay, ({ set }) => ({
  power: Driver.fromInterface(Power.contract, { on: () => set(true), off: () => set(false) })
}))

const powerOff = Effect.gen(function*() {
  const { client } = yield* ExporterRegistration.CurrentLease
  yield* Console.log(`the board was leased by ${client}`)
  const power = yield* ExporterConnection.driver("power")
  yield* power.call("off")
})

const exporter = ExporterRegistration.make({
  drivers: makeBoard,
  hooks: { afterLease: { run: powerOff, timeout: "1 minute" } },
  localLogs: false
})

const program = Effect.gen(function*() {
  const power = yield* BoardPower
  yield* power.on()
}).pipe(
  Effect.provide(BoardPower.layer("power")),
  Effect.provide(Lease.layer({ selector: "board=rpi4", duration: "30 minutes" }))
)

// In a lab `ExporterRegistration.Identity.layerFile("bench-3")` is the exporter's identity, and `run` keeps it there.
const test = Effect.gen(function*() {
  const lab = yield* ControllerTest.ControllerTest
  const identity = yield* lab.identityOf(yield* lab.addExporter("bench-3", { labels: { board: "rpi4" } }))
  yield* Effect.provideService(exporter, ExporterRegistration.Identity, identity)
  yield* program
})

test.pipe(
  Effect.scoped,
  Effect.provide(ControllerTest.layer()),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  NodeRuntime.runMain
)
