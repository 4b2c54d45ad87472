// A Tasmota plug behind a real MQTT broker.
import { Device, Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
import { Power } from "@effect-jumpstarter/core/drivers"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import * as process from "../support/process.ts"
import * as programs from "../support/programsOnPath.ts"
import * as python from "../support/python.ts"

/** What the plug was told last. */
class Relay extends Context.Tag("test/Relay")<Relay, Effect.Effect<string>>() {}

const exporter = Layer.unwrapScoped(
  Effect.map(process.start(python.drivers("tasmota")), ({ ready }) =>
    Layer.merge(
      ExporterConnection.layer(Endpoint.unix(ready.unix)),
      Layer.succeed(Relay, Effect.promise(() => readFile(join(dirname(ready.unix), "relay"), "utf8")))
    ))
)

const connect = (path: string) => Effect.orDie(Device.connect(Power.contract, path))

describe.skipIf(python.publishedDrivers === undefined || programs.missing("mosquitto"))("a Tasmota plug", () => {
  layer(exporter, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.scoped("switches through an MQTT broker, and cannot measure", () =>
      Effect.gen(function*() {
        const plug = yield* connect("plug")
        const relay = yield* Relay
        yield* plug.on()
        assert.strictEqual(yield* relay, "ON")
        yield* Power.cycle(plug, { wait: 0 })
        yield* plug.off()
        assert.strictEqual(yield* relay, "OFF")
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(plug.read())))._tag, "MethodNotImplemented")
      }))

    it.scoped("does not say that nobody heard it", () => Effect.flatMap(connect("plug_gone"), (plug) => plug.on()))
  })
})
