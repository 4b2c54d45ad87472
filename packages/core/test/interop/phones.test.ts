// The published drivers of virtual phones: their cloud, their emulator and their ADB are those of the bench.
import { Device, type DriverInterface, Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
import { Adb, AndroidEmulator, Corellium, Power, Serial, VirtualPower } from "@effect-jumpstarter/core/drivers"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { readFile } from "node:fs/promises"
import { createConnection } from "node:net"
import { dirname, join } from "node:path"
import * as process from "../support/process.ts"
import * as python from "../support/python.ts"

/** Whether the emulator has a window, as it keeps it in a file. */
class Window extends Context.Tag("test/Window")<Window, Effect.Effect<string>>() {}

const exporter = Layer.unwrapScoped(
  Effect.map(process.start(python.drivers("phones")), ({ ready }) =>
    Layer.merge(
      ExporterConnection.layer(Endpoint.unix(ready.unix)),
      Layer.succeed(Window, Effect.promise(() => readFile(join(dirname(ready.unix), "android", "window"), "utf8")))
    ))
)

const connect = <I extends DriverInterface.Any>(contract: I, path: string) =>
  Effect.orDie(Device.connect(contract, path))

const greeting = (host: string, port: number) =>
  Effect.async<string, Error>((resume) => {
    const socket = createConnection({ host, port })
    socket.setEncoding("utf8").once("data", (said) => resume(Effect.succeed(String(said))))
    socket.once("error", (error) => resume(Effect.fail(error)))
    return Effect.sync(() => socket.destroy())
  })

describe.skipIf(python.publishedDrivers === undefined)("the published drivers of virtual phones", () => {
  layer(exporter, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.scoped("Corellium: creates a phone, talks to its console, and destroys it", () =>
      Effect.gen(function*() {
        yield* connect(Corellium.contract, "phone")
        const power = yield* connect(VirtualPower.contract, "phone.power")
        const serial = yield* connect(Serial.contract, "phone.serial")
        const early = yield* Effect.flip(serial.address())
        assert.include(early.message, "Instance does not exist or is powered off")
        yield* power.on()
        assert.match(yield* serial.address(), /^ws:\/\/127\.0\.0\.1:\d+$/)
        yield* Effect.scoped(Effect.gen(function*() {
          const console = yield* Serial.console(serial)
          yield* console.sendLine("hello")
          yield* console.expect("hello\n", { timeout: "10 seconds" })
        }))
        yield* power.off()
        yield* power.on()
        yield* power.off(true)
        const gone = yield* Effect.flip(power.off())
        assert.include(gone.message, "Instance does not exist")
      }))

    it.scoped("Corellium: says that the project is not there", () =>
      Effect.gen(function*() {
        const lost = yield* Effect.flip((yield* connect(VirtualPower.contract, "phone_lost.power")).on())
        assert.strictEqual(lost._tag, "InvalidArgument")
        assert.include(lost.message, "Unable to fetch project: nope")
      }))

    it.scoped(
      "AndroidEmulator: starts the emulator, forwards its ADB server, and stops it with the scope",
      () =>
        Effect.gen(function*() {
          const phone = yield* Device.connectAll({
            emulator: [AndroidEmulator.contract, "android"],
            power: [Power.contract, "android.power"],
            adb: [Adb.contract, "android.adb"]
          })
          const serials = Effect.map(Adb.devices(phone.adb), (devices) => devices.map(({ serial }) => serial))
          yield* Effect.scoped(Effect.gen(function*() {
            const { host, port } = yield* AndroidEmulator.boot(phone, { headless: false })
            assert.strictEqual(yield* greeting(host, port), "OKAY")
            yield* Effect.repeat(serials, { until: (there) => there.includes("emulator-5554") })
            const [device] = yield* Adb.devices(phone.adb)
            assert.deepInclude(device, { state: "device", properties: { product: "sdk", model: "bench" } })
            assert.strictEqual(yield* yield* Window, "True")
          }))
          assert.deepStrictEqual(yield* serials, [])
        }),
      30_000
    )

    it.scoped("ADB: says that it cannot list devices, and that its server does not run", () =>
      Effect.gen(function*() {
        const broken = yield* connect(Adb.contract, "adb_broken")
        const failed = yield* Effect.flip(Adb.devices(broken))
        assert.strictEqual(failed._tag, "AdbFailed")
        assert.match(
          failed.message,
          /^adb on the exporter could not list the devices: .*returned non-zero exit status 1/
        )
        assert.match(yield* broken.address(), /^tcp:\/\/127\.0\.0\.1:\d+$/)
        const refused = yield* Effect.flip(broken.connect())
        assert.strictEqual(refused._tag, "DriverError")
      }))
  })
})
