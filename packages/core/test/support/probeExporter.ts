// The exporter of interop/exporter.py in TypeScript, as far as the behaviour suite uses it, so that one suite runs
// against both. interop/README.md describes the drivers and the methods of the probe.
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as probeCalls from "./probeCalls.ts"
import { Probe } from "./probeContract.ts"
import * as probeRecorder from "./probeRecorder.ts"
import * as probeStreams from "./probeStreams.ts"

const power = (options: Partial<Driver.DriverOptions> = {}) =>
  Driver.make({
    client: "jumpstarter_driver_power.client.PowerClient",
    driverType: "power",
    methods: {
      on: Driver.call(() => Effect.void),
      off: Driver.call(() => Effect.void),
      read: Driver.streamingCall(() => Stream.make({ voltage: 0, current: 0 }, { voltage: 5, current: 2 }))
    },
    ...options
  })

const echo = Driver.make({
  client: "jumpstarter_driver_network.client.NetworkClient",
  driverType: "network",
  methods: { connect: Driver.streamTransform((input) => input) }
})

const mux = Driver.make({
  client: "jumpstarter_driver_opendal.client.StorageMuxClient",
  driverType: "storage",
  methods: {
    write: Driver.call(([handle], { resource }) =>
      Effect.scoped(Effect.flatMap(resource(handle), ({ read }) => Stream.runDrain(read)))
    )
  }
})

const tree = (probe: Driver.Driver) => {
  const inner = power({ labels: { "interop.example/depth": "2" } })
  return Driver.make({
    client: "jumpstarter_driver_composite.client.CompositeClient",
    driverType: "composite",
    labels: { "interop.example/board": "probe" },
    description: "Interop board",
    children: {
      power: power({
        description: "Main power",
        methodsDescription: { on: "Switch the board on", off: "Switch the board off" }
      }),
      mux,
      echo,
      nested: Driver.make({
        client: "jumpstarter_driver_composite.client.CompositeClient",
        driverType: "composite",
        description: "Two levels deep",
        children: { inner: Driver.composite({ power: inner }) }
      }),
      alias: inner,
      probe
    }
  })
}

/** Hides the host's log lines about drivers that fail on purpose. */
export const quiet: Layer.Layer<never> = Logger.remove(Logger.defaultLogger)

export const make = Effect.gen(function*() {
  const recorder = probeRecorder.make()
  const probe = Driver.fromInterface(Probe, {
    ...probeCalls.calls(recorder, (status, message) => Effect.suspend(() => exporter.setStatus(status, message))),
    ...probeCalls.streamingCalls(recorder),
    ...probeStreams.byteStreams(recorder),
    ...probeStreams.resources(recorder)
  })
  const methods = { ...probe.methods, transform: probeStreams.transform(recorder) }
  const exporter: Exporter.Exporter = yield* Exporter.make(tree({ ...probe, methods }), {
    labels: { "jumpstarter.dev/name": "interop" },
    localLogs: false
  })
  return exporter
})
