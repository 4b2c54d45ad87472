// The devices of several leases as one layer, through a router.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Device from "../../src/client/Device.ts"
import * as DriverInterface from "../../src/contract/DriverInterface.ts"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Lease from "../../src/lease/Lease.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"

const Name = DriverInterface.make("test.NameClient", { name: DriverMethod.call({ result: Schema.String }) })

class Gateway extends Device.Tag("test/Gateway", Name)<Gateway>() {}

class Sensor extends Device.Tag("test/Sensor", Name)<Sensor>() {}

const hosted = (name: string, kind: string) =>
  Effect.flatMap(ControllerTest.ControllerTest, (lab) => {
    const driver = Driver.fromInterface(Name, { name: () => Effect.succeed(name) })
    return lab.hostExporter(name, { driver }, { labels: { kind } })
  })

const gateway = { selector: "kind=gw", duration: "1 hour" } as const

const sensor = { selector: "kind=sensor", duration: "1 hour" } as const

const names = Effect.gen(function*() {
  const gateway = yield* Gateway
  const sensor = yield* Sensor
  return [yield* gateway.name(), yield* sensor.name()]
})

const leases = Effect.gen(function*() {
  const lab = yield* ControllerTest.ControllerTest
  return (yield* lab.leases).map(({ ended, exporter }) => `${exporter ?? "none"} ${ended ? "ended" : "open"}`)
})

const test = <E>(
  name: string,
  body: Effect.Effect<void, E, Layer.Layer.Success<ReturnType<typeof ControllerTest.layer>>>
) => it.live(name, () => Effect.provide(body, ControllerTest.layer({ client: "alice" })))

describe("the devices of several leases", () => {
  test(
    "are each connected to the exporter of their own lease, and released together",
    Effect.gen(function*() {
      yield* hosted("gw-1", "gw")
      yield* hosted("sensor-1", "sensor")
      const Both = Lease.layerAll({
        gateway: { request: gateway, devices: Gateway.layer("driver") },
        sensor: { request: sensor, devices: Sensor.layer("driver") }
      })
      deepStrictEqual(yield* Effect.provide(names, Both), ["gw-1", "sensor-1"])
      deepStrictEqual(yield* leases, ["gw-1 ended", "sensor-1 ended"])
    }).pipe(Effect.scoped)
  )

  test(
    "can be of one kind, and can share the layers beneath them",
    Effect.gen(function*() {
      yield* hosted("gw-1", "gw")
      yield* hosted("gw-2", "gw")
      const Shared = Gateway.layer("driver")
      const Both = Lease.layerAll({
        one: { request: gateway, devices: Shared },
        other: {
          request: gateway,
          devices: Layer.provide(Layer.effect(Sensor, Gateway), Shared)
        }
      })
      deepStrictEqual((yield* Effect.provide(names, Both)).sort(), ["gw-1", "gw-2"])
    }).pipe(Effect.scoped)
  )

  test(
    "fail at the line that made the layer",
    Effect.gen(function*() {
      yield* hosted("gw-1", "gw")
      const Both = Lease.layerAll({
        gateway: { request: gateway, devices: Gateway.layer("driver") },
        sensor: { request: sensor, devices: Sensor.layer("driver") }
      })
      const error = yield* Effect.flip(Effect.provide(names, Both))
      assertTrue(error._tag === "LeaseError", error.message)
      assertInclude(String(error.stack).split("\n    at ")[1], "layerAll.test.ts")
    }).pipe(Effect.scoped)
  )

  test(
    "that cannot be built release all leases",
    Effect.gen(function*() {
      yield* hosted("gw-1", "gw")
      yield* hosted("sensor-1", "sensor")
      const Both = Lease.layerAll({
        gateway: { request: gateway, devices: Gateway.layer("driver") },
        sensor: { request: sensor, devices: Sensor.layer("nowhere") }
      })
      const exit = yield* Effect.exit(Effect.provide(names, Both))
      assertTrue(Exit.isFailure(exit))
      deepStrictEqual(yield* leases, ["gw-1 ended", "sensor-1 ended"])
    }).pipe(Effect.scoped)
  )
})
