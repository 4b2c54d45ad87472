import {
  Device,
  Driver,
  DriverInterface,
  DriverMethod,
  Exporter,
  ExporterConnection,
  GrpcChannel
} from "@effect-jumpstarter/core"
import { DigitalOutput, Power, Serial } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, PowerTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, expect, it, vi } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Option, Schema, Stream } from "effect"

class BoardPower extends Device.Tag("acme/BoardPower", Power.contract)<BoardPower>() {}

class FanPower extends Device.Tag("acme/FanPower", Power.contract)<FanPower>() {}

class BoardReset extends Device.Tag("acme/BoardReset", DigitalOutput.contract)<BoardReset>() {}

const relay = Driver.make({ client: DigitalOutput.contract.client })

describe("layer", () => {
  it.effect("lists the drivers when there is none at the path", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(BoardPower.layer("board.power")))
      assert.strictEqual(error.message, "no driver at \"board.power\"; available: board, board.reset")
    }).pipe(Effect.scoped, Effect.provide(ExporterTest.layer({ board: Driver.composite({ reset: relay }) }))))

  it.effect("names the interface of the driver at the path, and the drivers that speak the contract", () =>
    Effect.gen(function*() {
      const { driver } = yield* PowerTest.make()
      const { driver: virtual } = yield* PowerTest.make()
      const exporter = ExporterTest.layer({
        reset: relay,
        power: driver,
        vm: Driver.composite({ power: { ...virtual, client: "jumpstarter_driver_power.client.VirtualPowerClient" } })
      })
      const messageOf = <A>(device: Layer.Layer<A, Device.DeviceError, ExporterConnection.ExporterConnection>) =>
        Effect.map(Effect.flip(Layer.build(Layer.provide(device, exporter))), ({ message }) => message)
      const messages = yield* Effect.all([
        messageOf(BoardPower.layer("reset")),
        messageOf(BoardReset.layer("power")),
        messageOf(BoardReset.layer(""))
      ])
      assert.deepStrictEqual(messages, [
        "the driver at \"reset\" speaks jumpstarter_driver_gpiod.client.DigitalOutputClient, " +
        `not jumpstarter_driver_power.client.PowerClient or one of the ${Power.contract.alsoSpokenBy.length} other labels ` +
        "of its contract; " +
        "these drivers speak it: power, vm.power",
        "the driver at \"power\" speaks jumpstarter_driver_power.client.PowerClient, " +
        "not jumpstarter_driver_gpiod.client.DigitalOutputClient; these drivers speak it: reset",
        "the root driver speaks jumpstarter_driver_composite.client.CompositeClient, " +
        "not jumpstarter_driver_gpiod.client.DigitalOutputClient; these drivers speak it: reset"
      ])
    }).pipe(Effect.scoped))

  it.effect("says when no driver speaks the contract, and when a driver has no label", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(BoardReset.layer("odd")))
      assert.strictEqual(
        error.message,
        "the driver at \"odd\" has no label jumpstarter.dev/client, " +
          "expected jumpstarter_driver_gpiod.client.DigitalOutputClient; no driver here speaks it; the exporter has: " +
          "(root) (jumpstarter_driver_composite.client.CompositeClient), odd (no label), " +
          "nested (jumpstarter_driver_composite.client.CompositeClient), " +
          "[\"nested\",\"usb.1\"] (jumpstarter_driver_power.client.PowerClient)"
      )
    }).pipe(
      Effect.scoped,
      Effect.provide(ExporterTest.layer({
        odd: Driver.make({ client: "" }),
        nested: Driver.composite({ "usb.1": Driver.make({ client: Power.contract.client }) })
      }))
    ))

  it.effect("lists drivers by paths that find them", () =>
    Effect.gen(function*() {
      const absent = yield* Effect.flip(Layer.build(BoardPower.layer("usb.1")))
      assert.strictEqual(
        absent.message,
        "no driver at \"usb.1\"; available: [\"usb.1\"], [\"\"], hub, hub.port, [\"hub\",\"usb.1\"]"
      )
      const other = yield* Effect.flip(Layer.build(BoardReset.layer("hub")))
      assert.include(other.message, "; these drivers speak it: [\"usb.1\"], [\"\"], hub.port, [\"hub\",\"usb.1\"]")
      yield* Layer.build(BoardReset.layer(["hub", "usb.1"]))
      yield* Layer.build(BoardReset.layer([""]))
    }).pipe(
      Effect.scoped,
      Effect.provide(ExporterTest.layer({
        "usb.1": relay,
        "": relay,
        hub: Driver.composite({ port: relay, "usb.1": relay })
      }))
    ))
})

describe("layerOptional", () => {
  const fans = Effect.serviceOption(FanPower)

  it.effect("provides the device when there is one", () =>
    Effect.gen(function*() {
      const fan = yield* PowerTest.make()
      yield* Effect.flatMap(fans, Option.match({ onNone: () => Effect.die("no fan"), onSome: (fan) => fan.on() })).pipe(
        Effect.provide(FanPower.layerOptional("fan")),
        Effect.provide(ExporterTest.layer({ fan: fan.driver }))
      )
      assert.isTrue(yield* fan.isOn)
    }))

  it.effect("provides nothing when there is none, next to other devices", () =>
    Effect.gen(function*() {
      const board = yield* PowerTest.make()
      const devices = Layer.merge(BoardPower.layer("power"), FanPower.layerOptional("fan"))
      const fan = yield* Effect.zipRight(Effect.flatMap(BoardPower, (power) => power.on()), fans).pipe(
        Effect.provide(Layer.provide(devices, ExporterTest.layer({ power: board.driver })))
      )
      assert.isTrue(Option.isNone(fan))
      assert.isTrue(yield* board.isOn)
    }))

  it.effect("fails when the driver speaks another interface", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(FanPower.layerOptional("fan")))
      assert.strictEqual(error._tag, "InterfaceMismatch")
    }).pipe(Effect.scoped, Effect.provide(ExporterTest.layer({ fan: relay }))))
})

describe("devices of several exporters", () => {
  // A memory exporter that counts its connections.
  const exporterOf = (drivers: Readonly<Record<string, Driver.Driver>>) => {
    const counted = { connections: 0 }
    const layer = Layer.scoped(
      ExporterConnection.ExporterConnection,
      Effect.gen(function*() {
        counted.connections++
        const exporter = yield* Exporter.make(Driver.composite(drivers), { localLogs: false })
        return yield* ExporterConnection.fromChannel(yield* GrpcChannel.fromHandlers(exporter.handlers))
      })
    )
    return { counted, layer }
  }

  it.effect("are one layer, with a connection to each exporter", () =>
    Effect.gen(function*() {
      const board = yield* PowerTest.make()
      const fan = yield* PowerTest.make()
      const reset: Array<string> = []
      const bench = exporterOf({ power: board.driver })
      const rack = exporterOf({
        power: fan.driver,
        reset: Driver.fromInterface(DigitalOutput.contract, {
          on: () => Effect.sync(() => void reset.push("on")),
          off: () => Effect.sync(() => void reset.push("off")),
          read_pin: () => Effect.succeed(0)
        })
      })
      const devices = Layer.mergeAll(
        BoardPower.layer("power").pipe(Layer.provide(bench.layer)),
        FanPower.layer("power").pipe(Layer.provide(rack.layer)),
        BoardReset.layer("reset").pipe(Layer.provide(rack.layer))
      )
      yield* Effect.gen(function*() {
        yield* (yield* FanPower).on()
        yield* (yield* BoardReset).off()
        yield* (yield* BoardPower).on()
        yield* (yield* FanPower).off()
      }).pipe(Effect.provide(devices))
      assert.deepStrictEqual([yield* board.isOn, yield* fan.isOn, reset], [true, false, ["off"]])
      assert.deepStrictEqual([bench.counted.connections, rack.counted.connections], [1, 1])
    }))
})

describe("two devices of one id", () => {
  const make = <Self>() => Device.Tag("acme/Twin", Power.contract)<Self>()
  class Router extends make<Router>() {}
  class Phone extends make<Phone>() {}

  const switchOn = Effect.gen(function*() {
    const router = yield* Router
    yield* router.on()
  })

  // Runs a program with the layer of another device, which the types do not allow.
  const runWith = <A>(device: Layer.Layer<A>): Effect.Effect<Exit.Exit<void>> =>
    Effect.exit(Effect.provide(switchOn as Effect.Effect<void, never, A>, device))

  it.effect("share no service: a missing one is reported with its name and the place of its definition", () =>
    Effect.gen(function*() {
      const switched: Array<string> = []
      const phone = Phone.layerTest({ on: () => Effect.sync(() => void switched.push("phone")) })
      const exit = yield* runWith(phone)
      assert.deepStrictEqual(switched, [])
      assert.match(
        Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "",
        /Service not found: acme\/Twin#\d+ \(defined at .*Device\.test\.ts:\d+/
      )
    }))

  it.effect("are both available when both are provided", () =>
    Effect.gen(function*() {
      const switched: Array<string> = []
      const on = (name: string) => ({ on: () => Effect.sync(() => void switched.push(name)) })
      const both = Layer.merge(Phone.layerTest(on("phone")), Router.layerTest(on("router")))
      yield* Effect.provide(Effect.zipRight(switchOn, Effect.flatMap(Phone, (phone) => phone.on())), both)
      assert.deepStrictEqual(switched, ["router", "phone"])
    }))

  it.effect("stay separate from another service of the same id, and from a second copy of this module", () =>
    Effect.gen(function*() {
      vi.resetModules()
      const copy = yield* Effect.promise(() => import("../../src/client/Device.ts"))
      assert.notStrictEqual(copy.Tag, Device.Tag)
      class Namesake extends Context.Tag("acme/Twin")<Namesake, object>() {}
      class Copy extends copy.Tag("acme/Twin", Power.contract)<Copy>() {}
      assert.strictEqual(new Set([Router.key, Phone.key, Copy.key, Namesake.key]).size, 4)
    }))
})

describe("layerTest", () => {
  class Console extends Device.Tag("acme/Console", Serial.contract)<Console>() {}

  it.effect("takes undefined for a method that is left out", () =>
    Effect.gen(function*() {
      const power = yield* BoardPower
      assert.strictEqual((yield* Effect.flip(power.on()))._tag, "MethodNotImplemented")
    }).pipe(Effect.provide(BoardPower.layerTest({ on: undefined }))))

  it.effect("finds the methods of a class, but not those every object has", () =>
    Effect.gen(function*() {
      class Fake {
        readonly calls: Array<string> = []
        on() {
          return Effect.sync(() => {
            this.calls.push("on")
          })
        }
      }
      const fake = new Fake()
      yield* Effect.provide(Effect.flatMap(BoardPower, (power) => power.on()), BoardPower.layerTest(fake))
      assert.deepStrictEqual(fake.calls, ["on"])
      const contract = DriverInterface.make("c", { toString: DriverMethod.call({ result: Schema.String }) })
      class Odd extends Device.Tag("acme/Odd", contract)<Odd>() {}
      const error = yield* Effect.provide(Effect.flatMap(Odd, (odd) => Effect.flip(odd.toString())), Odd.layerTest({}))
      assert.strictEqual(error._tag, "MethodNotImplemented")
    }))

  it.effect("passes a mock function unchanged, so that its calls can be read through the device", () =>
    Effect.gen(function*() {
      const on = vi.fn(() => Effect.void)
      const fake = { on, off: vi.fn(() => Effect.void) }
      yield* Effect.gen(function*() {
        const power = yield* BoardPower
        assert.strictEqual(power.on, on)
        yield* power.on()
        expect(power.on).toHaveBeenCalledOnce()
        expect(power.off).not.toHaveBeenCalled()
        const { off } = { ...power }
        assert.strictEqual(off, fake.off)
      }).pipe(Effect.provide(BoardPower.layerTest(fake)))
    }))

  it.effect("passes a spy on a method of a class unchanged", () =>
    Effect.gen(function*() {
      class Fake {
        private switched = 0
        get count() {
          return this.switched
        }
        on() {
          return Effect.sync(() => void this.switched++)
        }
      }
      const fake = new Fake()
      const on = vi.spyOn(fake, "on")
      yield* Effect.gen(function*() {
        const power = yield* BoardPower
        yield* power.on()
        assert.strictEqual<unknown>(power.on, on)
      }).pipe(Effect.provide(BoardPower.layerTest(fake)))
      expect(on).toHaveBeenCalledOnce()
      assert.strictEqual(fake.count, 1)
    }))

  it.effect("lets methods of an object use its other properties", () =>
    Effect.gen(function*() {
      const fake = {
        switched: 0,
        on() {
          return Effect.sync(() => void this.switched++)
        },
        off() {
          return Effect.zipRight(this.on(), this.on())
        }
      }
      yield* Effect.flatMap(BoardPower, (power) => Effect.zipRight(power.on(), power.off())).pipe(
        Effect.provide(BoardPower.layerTest(fake))
      )
      assert.strictEqual(fake.switched, 3)
    }))

  it.effect("binds the methods of a class, including access to private members", () =>
    Effect.gen(function*() {
      class Fake {
        #switched = false
        on() {
          return Effect.sync(() => {
            this.#switched = true
          })
        }
        get isOn() {
          return this.#switched
        }
      }
      const fake = new Fake()
      yield* Effect.gen(function*() {
        const { on } = yield* BoardPower
        yield* on()
      }).pipe(Effect.provide(BoardPower.layerTest(fake)))
      assert.isTrue(fake.isOn)
    }))

  it.effect("fakes the methods it is given, and fails with the name of the device for others", () =>
    Effect.gen(function*() {
      const power = yield* BoardPower
      yield* power.on()
      assert.strictEqual(
        (yield* Effect.flip(power.off())).message,
        "call acme/BoardPower.off is not implemented (UNIMPLEMENTED): the fake has no such method"
      )
      assert.strictEqual(
        (yield* Effect.flip(Stream.runDrain(power.read()))).message,
        "streaming call acme/BoardPower.read is not implemented (UNIMPLEMENTED): the fake has no such method"
      )
      assert.strictEqual(
        (yield* Effect.flip(Effect.scoped(Effect.flatMap(Console, (console) => console.connect())))).message,
        "stream acme/Console.connect is not implemented (UNIMPLEMENTED): the fake has no such method"
      )
    }).pipe(Effect.provide([BoardPower.layerTest({ on: () => Effect.void }), Console.layerTest({})])))
})
