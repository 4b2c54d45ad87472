// Leases two boards of a lab, both or none: one is measured while the other one is on. The lab is in memory here.
import { Device, Lease } from "@effect-jumpstarter/core"
import { Power } from "@effect-jumpstarter/core/drivers"
import { ControllerTest, PowerTest } from "@effect-jumpstarter/core/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, LogLevel, Option, Stream } from "effect"

class GatewayPower extends Device.Tag("example/GatewayPower", Power.contract)<GatewayPower>() {}

class SensorPower extends Device.Tag("example/SensorPower", Power.contract)<SensorPower>() {}

// Depends on the devices alone, wherever they are.
const measure = Effect.gen(function*() {
  const gateway = yield* GatewayPower
  const sensor = yield* SensorPower
  yield* gateway.on()
  yield* sensor.on()
  const reading = yield* Stream.runHead(sensor.read())
  yield* Console.log(`the sensor draws ${Option.getOrThrow(reading).current} A`)
})

// Two programs that want the same boards do not block each other: nobody keeps one board while waiting for the other one.
const program = Effect.scoped(Effect.gen(function*() {
  const { gateway, sensor } = yield* Lease.acquireAll({
    gateway: { selector: "kind=gateway", duration: "1 hour" },
    sensor: { selector: "kind=sensor,!broken", duration: "1 hour" }
  })
  yield* Console.log(`leased ${gateway.exporter.name} and ${sensor.exporter.name}`)
  yield* measure.pipe(
    Effect.provide(Layer.provide(GatewayPower.layer("power"), Lease.toLayer(gateway))),
    Effect.provide(Layer.provide(SensorPower.layer("power"), Lease.toLayer(sensor)))
  )
}))

// In a lab the boards are there, and `Controller.layerFile()` is the way to them.
const boards = Effect.gen(function*() {
  const lab = yield* ControllerTest.ControllerTest
  const gateway = yield* PowerTest.make()
  const sensor = yield* PowerTest.make({ load: () => 0.2 })
  yield* lab.hostExporter("gateway-1", { power: gateway.driver }, { labels: { kind: "gateway" } })
  yield* lab.hostExporter("sensor-7", { power: sensor.driver }, { labels: { kind: "sensor" } })
})

Effect.zipRight(boards, program).pipe(
  Effect.scoped,
  Effect.provide(ControllerTest.layer()),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  NodeRuntime.runMain
)
