// The power drivers of Jumpstarter that need no hardware.
import { Device, type DriverInterface, Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
import { NoyitoPower, Power } from "@effect-jumpstarter/core/drivers"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as process from "../support/process.ts"
import * as python from "../support/python.ts"

const exporter = Layer.unwrapScoped(
  Effect.map(
    process.start(python.drivers("http_power", "noyito")),
    ({ ready }) => ExporterConnection.layer(Endpoint.unix(ready.unix))
  )
)

const connect = <I extends DriverInterface.Any>(contract: I, path: string) =>
  Effect.orDie(Device.connect(contract, path))

describe.skipIf(python.publishedDrivers === undefined)("the published drivers of power", () => {
  layer(exporter, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.scoped("http-power switches, and measures what its endpoint reports", () =>
      Effect.gen(function*() {
        const power = yield* connect(Power.contract, "http_power")
        yield* power.on()
        assert.deepStrictEqual([...yield* Stream.runCollect(power.read())], [{ voltage: 5, current: 2 }])
        yield* power.off()
        assert.deepStrictEqual([...yield* Stream.runCollect(power.read())], [{ voltage: 0, current: 0 }])
      }))

    it.scoped("http-power says that nobody answers, and that it cannot measure", () =>
      Effect.gen(function*() {
        const power = yield* connect(Power.contract, "http_power_dead")
        const refused = yield* Effect.flip(power.on())
        assert.strictEqual(refused._tag, "DriverError")
        assert.include(refused.message, "Connection refused")
        const blind = yield* Effect.flip(Stream.runDrain(power.read()))
        assert.strictEqual(blind._tag, "InvalidArgument")
        assert.include(blind.message, "power_read endpoint is not configured")
      }))

    it.scoped("a Noyito relay switches, and reports its state", () =>
      Effect.gen(function*() {
        const relay = yield* connect(NoyitoPower.contract, "relay")
        const pair = yield* connect(NoyitoPower.contract, "relay_pair")
        yield* pair.off()
        assert.strictEqual(yield* pair.status(), "off")
        yield* relay.on()
        assert.strictEqual(yield* relay.status(), "on")
        assert.strictEqual(yield* pair.status(), "partial")
        yield* Power.cycle(yield* connect(Power.contract, "relay_pair"), { wait: 0 })
        assert.strictEqual(yield* pair.status(), "on")
      }))

    it.scoped("a Noyito relay cannot measure, and says when it is not plugged in", () =>
      Effect.gen(function*() {
        const relay = yield* connect(NoyitoPower.contract, "relay")
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(relay.read())))._tag, "MethodNotImplemented")
        const gone = yield* Effect.flip((yield* connect(NoyitoPower.contract, "relay_gone")).on())
        assert.strictEqual(gone._tag, "DriverError")
        assert.include(gone.message, "no-such-port")
      }))
  })
})
