// A Python exporter that a controller lends and a router leads to: `jmp run`, with the drivers of the behaviour suite. One process
// serves all tests of a file, each through a tunnel of its own.
import { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import * as HttpClient from "@effect/platform/HttpClient"
import { afterAll, beforeAll } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Controller from "../../src/controller/Controller.ts"
import * as routerTunnel from "../../src/controller/routerTunnel.ts"
import type * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { until } from "../suite/harness.ts"
import * as peer from "../suite/peer.ts"
import * as fake from "./fakeController.ts"
import * as jmp from "./jmp.ts"

const exporter = "interop"

/** The client that leases the exporter. */
export const client = "alice"

const drivers = (root: string) => {
  const power = "jumpstarter_driver_power.driver.MockPower"
  return {
    power: {
      type: power,
      description: "Main power",
      methods_description: { on: "Switch the board on", off: "Switch the board off" }
    },
    storage: { type: "jumpstarter_driver_opendal.driver.Opendal", config: { scheme: "fs", kwargs: { root } } },
    mux: { type: "jumpstarter_driver_opendal.driver.MockStorageMux" },
    echo: { type: "jumpstarter_driver_network.driver.EchoNetwork" },
    serial: { type: "jumpstarter_driver_pyserial.driver.PySerial", config: { url: "loop://" } },
    nested: {
      type: "jumpstarter_driver_composite.driver.Composite",
      description: "Two levels deep",
      children: {
        inner: { children: { power: { type: power, config: { labels: { "interop.example/depth": "2" } } } } }
      }
    },
    alias: { ref: "nested.inner.power" },
    probe: { type: "probe.ProbeDriver", config: { log_level: "DEBUG" } }
  }
}

const make = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  // What takes its time is not what is tested here.
  const { ca, exporter: run, home, lab, write } = yield* jmp.make({ latency: "none" })
  const storage = path.join(home, "storage")
  yield* fs.makeDirectory(storage)
  const held = path.join(home, "held")
  yield* write(yield* lab.addExporter(exporter), {
    description: "Interop board",
    export: drivers(storage),
    hooks: {
      beforeLease: {
        script: `echo "preparing for $CLIENT_NAME under $LEASE_NAME"; while [ -e ${held} ]; do sleep 0.05; done`
      },
      afterLease: { script: `echo "cleaning up after $CLIENT_NAME"` }
    }
  })
  const { endpoint, name, namespace, token } = yield* lab.addClient(client)
  const config = fake.config({ endpoint, name, namespace, token, tls: { ca } })
  const controller = yield* Effect.provideService(Controller.make(config), HttpClient.HttpClient, fake.noIssuer)
  yield* run(exporter)

  const status = (...statuses: ReadonlyArray<ControllerTest.ExporterView["status"]>) =>
    until(
      `the exporter is ${statuses.join(" or ")}`,
      Effect.map(lab.exporters, ([exporter]) => exporter),
      (exporter) => exporter !== undefined && statuses.includes(exporter.status),
      // Python's programs take their time to start.
      "50 seconds"
    )
  yield* status("AVAILABLE")

  /** Has the exporter leased under this name, as soon as its last lease is over. */
  const begin = Effect.fnUntraced(function*(name: string) {
    yield* status("AVAILABLE")
    yield* controller.createLease({ name, exporterName: exporter, duration: "1 hour" })
    yield* until("the lease has begun", lab.leases, (leases) => leases.at(-1)?.reason === "Ready")
  })

  const release = Effect.orDie(fs.remove(held, { force: true }))

  const one = yield* Effect.makeSemaphore(1)
  const lease = one.withPermits(1)(Effect.gen(function*() {
    const leases = yield* lab.leases
    const last = leases.at(-1)
    if (last !== undefined && !last.ended) return last.name
    const name = `lease-${leases.length}`
    yield* begin(name)
    yield* status("LEASE_READY")
    return name
  }))

  // The connection saw LEASE_READY and never asks again, so its gate stays open whatever the status is.
  const admin = yield* ExporterConnection.fromChannel(yield* routerTunnel.channel({ controller, lease: yield* lease }))
  const probe = yield* admin.driver("probe")
  const setStatus: (typeof peer.Control.Service)["setStatus"] = (status, message = "") =>
    Effect.asVoid(Effect.orDie(probe.call("set_status", status, message)))

  return {
    lab,
    controller,
    setStatus,
    status,
    begin,
    /** The name of the running lease, whose hook is done, or of a new one. */
    lease,
    /** Keeps the hooks of leases that begin from ending, until what it answers is run. */
    hold: Effect.as(Effect.acquireRelease(Effect.orDie(fs.writeFileString(held, "")), () => release), release)
  }
})

export type Leased = Effect.Effect.Success<typeof make>

class Shared extends Context.Tag("test/LeasedPython")<Shared, Leased>() {}

/** The exporter of a test file; its process starts with the first test and ends after the last one. */
export const shared = (): Effect.Effect<Leased> => {
  const runtime = ManagedRuntime.make(Layer.orDie(Layer.provide(Layer.scoped(Shared, make), NodeContext.layer)))
  beforeAll(() => runtime.runPromise(Effect.void), 120_000)
  afterAll(() => runtime.dispose(), 60_000)
  return Effect.map(runtime.runtimeEffect, ({ context }) => Context.get(context, Shared))
}

/** The exporter as a peer of the behaviour suite. */
export const peerOf = (shared: Effect.Effect<Leased>): peer.Peer => ({
  name: "python through a router",
  session: Layer.unwrapEffect(
    Effect.flatMap(shared, ({ controller, lease, setStatus }) =>
      Effect.map(lease, (lease) =>
        peer.session(
          Layer.scoped(GrpcChannel.GrpcChannel, routerTunnel.channel({ controller, lease })),
          Layer.succeed(peer.Control, { setStatus })
        )))
  ),
  quirks: { ...peer.pythonQuirks, unlabelled: true },
  extent: "transport",
  thorough: true
})
