// A harness: the devices of a board as services, and a test that depends only on them. A layer provides the devices.
import { Device, type ExporterConnection, Resource } from "@effect-jumpstarter/core"
import { Flasher, Power, Serial } from "@effect-jumpstarter/core/drivers"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"

class Supply extends Device.Tag("acme/Supply", Power.contract)<Supply>() {}
class Port extends Device.Tag("acme/Port", Serial.contract)<Port>() {}
class Storage extends Device.Tag("acme/Storage", Flasher.contract)<Storage>() {}

const devices = Layer.mergeAll(Supply.layer("power"), Port.layer("serial"), Storage.layer("flasher"))

const image = new TextEncoder().encode("an image ".repeat(10_000))

export const board = <E>(exporter: Layer.Layer<ExporterConnection.ExporterConnection, E>) =>
  layer(Layer.provide(devices, exporter), { excludeTestServices: true, timeout: "30 seconds" })("a board", (it) => {
    it.scoped("boots, is flashed, and draws the expected power", () =>
      Effect.gen(function*() {
        const supply = yield* Supply
        const storage = yield* Storage
        const console = yield* Serial.console(yield* Port)

        yield* Effect.acquireRelease(supply.on(), () => Effect.orDie(supply.off()))
        yield* console.expect("=> ", { timeout: "10 seconds" })
        yield* console.sendLine("version")
        assert.strictEqual((yield* console.expect(/U-Boot (\S+)\r\n/)).groups[0], "2026.01")

        yield* storage.flash(Resource.fromBytes(image))
        assert.deepStrictEqual(yield* storage.dump(Resource.toBytes()), image)

        const reading = yield* supply.read().pipe(Stream.filter(({ voltage }) => voltage > 0), Stream.runHead)
        assert.deepStrictEqual(reading, Option.some({ voltage: 5, current: 2 }))
      }))
  })
