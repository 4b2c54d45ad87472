// Two boards on two exporters, and an optional meter.
import { Device, type ExporterConnection } from "@effect-jumpstarter/core"
import { Power } from "@effect-jumpstarter/core/drivers"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"

class Router extends Device.Tag("acme/Router", Power.contract)<Router>() {}
class Phone extends Device.Tag("acme/Phone", Power.contract)<Phone>() {}
class Meter extends Device.Tag("acme/Meter", Power.contract)<Meter>() {}

type Exporter<E> = Layer.Layer<ExporterConnection.ExporterConnection, E>

export const lab = <E1, E2>(rack: Exporter<E1>, desk: Exporter<E2>) => {
  const devices = Layer.merge(
    Layer.provide(Router.layer("power"), rack),
    Layer.provide(Layer.merge(Phone.layer("power"), Meter.layerOptional("meter")), desk)
  )
  layer(devices, { excludeTestServices: true, timeout: "30 seconds" })("a lab", (it) => {
    it.scoped("switches a phone on after its router, and measures it if there is a meter", () =>
      Effect.gen(function*() {
        const router = yield* Router
        const phone = yield* Phone
        const meter = yield* Effect.serviceOption(Meter)
        yield* router.on()
        yield* phone.on()
        if (Option.isSome(meter)) {
          const reading = yield* Stream.runHead(meter.value.read())
          assert.deepStrictEqual(Option.map(reading, Power.apparentPower), Option.some(10))
        }
      }))
  })
}
