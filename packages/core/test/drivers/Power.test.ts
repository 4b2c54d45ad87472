import { DriverFailure } from "@effect-jumpstarter/core"
import { Power, VirtualPower } from "@effect-jumpstarter/core/drivers"
import { PowerTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Duration, Effect, Fiber, Stream, TestClock } from "effect"
import { broken, connect, nothing, recording } from "./support.ts"

describe("Power", () => {
  it.scoped("cycles on Effect's clock: off, two seconds, on", () =>
    Effect.gen(function*() {
      const supply = yield* PowerTest.make()
      const power = yield* connect(Power.contract, supply.driver)
      yield* power.on()
      const cycle = yield* Effect.fork(Power.cycle(power))
      yield* TestClock.adjust("1999 millis")
      assert.isFalse(yield* supply.isOn)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(cycle)
      assert.deepStrictEqual(yield* supply.events, [
        { _tag: "on", at: 0 },
        { _tag: "off", at: 0 },
        { _tag: "on", at: 2000 }
      ])
    }))

  it.scoped("cycles with the caller's wait", () =>
    Effect.gen(function*() {
      const supply = yield* PowerTest.make()
      const power = yield* connect(Power.contract, supply.driver)
      const cycle = yield* Effect.fork(Power.cycle(power, { wait: "1 minute" }))
      yield* TestClock.adjust("59 seconds")
      assert.lengthOf(yield* supply.events, 1)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(cycle)
      assert.isTrue(yield* supply.isOn)
    }))

  it.scoped("does not switch on a device that it could not switch off", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Power.contract.client, { on: nothing, off: { run: broken } })
      const power = yield* connect(Power.contract, driver)
      const error = yield* Effect.flip(Power.cycle(power))
      assert.strictEqual(error._tag, "DriverError")
      assert.include(error.message, "it broke")
      assert.deepStrictEqual(calls, [["off"]])
    }))

  it.scoped("accepts switches with their own labels", () =>
    Effect.gen(function*() {
      const labels = ["cuttlefish.client.CvdPower", "ridesx.client.RideSXPower", "snmp.client.SNMPServer"]
      for (const label of labels) {
        const { calls, driver } = recording(`jumpstarter_driver_${label}Client`, { on: nothing, off: nothing })
        yield* Power.cycle(yield* connect(Power.contract, driver), { wait: 0 })
        assert.deepStrictEqual(calls, [["off"], ["on"]])
      }
    }))

  it.scoped("accepts virtual power, and sends `off` with and without its argument", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(VirtualPower.contract.client, { on: nothing, off: nothing })
      const power = yield* connect(VirtualPower.contract, driver)
      yield* Power.cycle(power, { wait: 0 })
      yield* power.off(true)
      assert.deepStrictEqual(calls, [["off"], ["on"], ["off", true]])
      const plain = yield* connect(Power.contract, driver)
      yield* plain.on()
    }))

  it("computes the apparent power of a reading", () => {
    assert.strictEqual(Power.apparentPower({ voltage: 5, current: 2 }), 10)
  })
})

describe("PowerTest", () => {
  it.scoped("measures its load at an interval from the moment of switching on", () =>
    Effect.gen(function*() {
      const supply = yield* PowerTest.make({ voltage: 5, load: Duration.toSeconds, interval: "500 millis" })
      const power = yield* connect(Power.contract, supply.driver)
      yield* TestClock.adjust("1 hour")
      yield* power.on()
      const readings = yield* Effect.fork(Stream.runCollect(Stream.take(power.read(), 4)))
      yield* TestClock.adjust("1500 millis")
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(readings)), [
        { voltage: 5, current: 0 },
        { voltage: 5, current: 0.5 },
        { voltage: 5, current: 1 },
        { voltage: 5, current: 1.5 }
      ])
    }))

  it.scoped("reads zero while it is off, and follows changes of voltage and load", () =>
    Effect.gen(function*() {
      const supply = yield* PowerTest.make()
      const power = yield* connect(Power.contract, supply.driver)
      const readings: Array<Power.PowerReading> = []
      yield* Effect.fork(Stream.runForEach(power.read(), (reading) => Effect.sync(() => readings.push(reading))))
      yield* TestClock.adjust(0)
      yield* power.on()
      yield* TestClock.adjust("1 second")
      yield* supply.setVoltage(3.3)
      yield* supply.setLoad(() => 0.25)
      yield* TestClock.adjust("1 second")
      yield* power.off()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(readings, [
        { voltage: 0, current: 0 },
        { voltage: 12, current: 1 },
        { voltage: 3.3, current: 0.25 },
        { voltage: 0, current: 0 }
      ])
      assert.deepStrictEqual(yield* supply.reading, { voltage: 0, current: 0 })
    }))

  it.scoped("keeps the time of switching on when it is switched on again", () =>
    Effect.gen(function*() {
      const supply = yield* PowerTest.make({ load: Duration.toSeconds })
      const power = yield* connect(Power.contract, supply.driver)
      yield* power.on()
      yield* TestClock.adjust("2 seconds")
      yield* power.on()
      assert.strictEqual((yield* supply.reading).current, 2)
    }))

  it.scoped("calls onSwitch for each change, before the call returns", () =>
    Effect.gen(function*() {
      const seen: Array<boolean> = []
      const supply = yield* PowerTest.make({ onSwitch: (on) => Effect.sync(() => void seen.push(on)) })
      const power = yield* connect(Power.contract, supply.driver)
      yield* power.off()
      yield* power.on()
      yield* power.on()
      assert.deepStrictEqual(seen, [true])
      yield* power.off()
      assert.deepStrictEqual(seen, [true, false])
      assert.lengthOf(yield* supply.events, 4)
    }))

  it.scoped("fails its calls with the failure that is set", () =>
    Effect.gen(function*() {
      const supply = yield* PowerTest.make()
      const power = yield* connect(Power.contract, supply.driver)
      yield* supply.setFailure(DriverFailure.make("Timeout", "the relay is stuck"))
      const error = yield* Effect.flip(power.on())
      assert.strictEqual(error.code, "DEADLINE_EXCEEDED")
      assert.strictEqual((yield* Effect.flip(Stream.runHead(power.read()))).details, "the relay is stuck")
      yield* supply.setFailure(undefined)
      yield* power.on()
      assert.lengthOf(yield* supply.events, 1)
    }))
})
