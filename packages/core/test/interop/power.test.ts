// The power drivers of Jumpstarter that need no hardware.
import { Device, type DriverInterface, Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
import { NoyitoPower, Power, SnmpPower } from "@effect-jumpstarter/core/drivers"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import * as process from "../support/process.ts"
import * as programs from "../support/programsOnPath.ts"
import * as python from "../support/python.ts"

/** The directory in which the benches keep the states of their switches. */
class Directory extends Context.Tag("test/Directory")<Directory, string>() {}

const hasMosquitto = python.publishedDrivers !== undefined && !programs.missing("mosquitto")

const benches = ["http_power", "noyito", "snmp", ...hasMosquitto ? ["tasmota"] : []]

const exporter = Layer.unwrapScoped(
  Effect.map(process.start(python.drivers(...benches)), ({ ready }) =>
    Layer.merge(
      ExporterConnection.layer(Endpoint.unix(ready.unix)),
      Layer.succeed(Directory, dirname(ready.unix))
    ))
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

    it.scoped.each([["outlet", "outlet1"], ["outlet_safe", "outlet2"]] as const)(
      "an SNMP power strip switches %s",
      ([path, file]) =>
        Effect.gen(function*() {
          const outlet = yield* connect(SnmpPower.contract, path)
          const directory = yield* Directory
          const state = Effect.promise(() => readFile(join(directory, file), "utf8"))
          yield* outlet.on()
          assert.strictEqual(yield* state, "1")
          yield* (yield* connect(Power.contract, path)).off()
          assert.strictEqual(yield* state, "0")
        })
    )

    it.scoped.each(
      [
        ["outlet_3", "notWritable at 1.3.6.1.4.1.13742.6.4.1.2.1.2.1.3"],
        ["outlet_wrong", "Wrong SNMP PDU digest"],
        ["outlet_dead", "SNMP operation timed out"]
      ] as const
    )("an SNMP power strip says why it does not switch %s", ([path, message]) =>
      Effect.gen(function*() {
        const refused = yield* Effect.flip((yield* connect(SnmpPower.contract, path)).on())
        assert.strictEqual(refused._tag, "DriverError")
        assert.include(refused.message, `SNMP set failed`)
        assert.include(refused.message, message)
      }))

    it.scoped.skipIf(!hasMosquitto)(
      "a Tasmota plug switches through an MQTT broker, and cannot measure",
      () =>
        Effect.gen(function*() {
          const plug = yield* connect(Power.contract, "plug")
          const directory = yield* Directory
          const relay = Effect.promise(() => readFile(join(directory, "relay"), "utf8"))
          yield* plug.on()
          assert.strictEqual(yield* relay, "ON")
          yield* Power.cycle(plug, { wait: 0 })
          yield* plug.off()
          assert.strictEqual(yield* relay, "OFF")
          assert.strictEqual((yield* Effect.flip(Stream.runDrain(plug.read())))._tag, "MethodNotImplemented")
        })
    )

    it.scoped.skipIf(!hasMosquitto)(
      "a Tasmota plug does not say that nobody heard it",
      () => Effect.flatMap(connect(Power.contract, "plug_gone"), (plug) => plug.on())
    )
  })
})
