// The TypeScript probe as peers of the behaviour suite: in memory, and on sockets. Every session has its own
// exporter.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as routerTunnel from "../../src/controller/routerTunnel.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as registering from "../../src/registration/registering.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import type { Listen } from "../../src/transport/GrpcServer.ts"
import { until } from "../suite/harness.ts"
import * as peer from "../suite/peer.ts"
import * as certificates from "./certificates.ts"
import * as duplex from "./duplex.ts"
import * as probeExporter from "./probeExporter.ts"
import { socketPath } from "./temporary.ts"
import * as tunnels from "./tunnels.ts"

const control = (exporter: Exporter.Exporter) => Layer.succeed(peer.Control, { setStatus: exporter.setStatus })

const memory: peer.Peer["session"] = Layer.unwrapScoped(
  Effect.map(
    probeExporter.make,
    (exporter) => peer.session(GrpcChannel.layerMemory(exporter.handlers), control(exporter))
  )
)

const overDuplex: peer.Peer["session"] = Layer.unwrapScoped(
  Effect.gen(function*() {
    const exporter = yield* probeExporter.make
    const dial = yield* duplex.serve(exporter.handlers)
    return peer.session(Layer.scoped(GrpcChannel.GrpcChannel, duplex.channel(dial)), control(exporter))
  })
)

const overTunnel = (carrier: tunnels.Carrier): peer.Peer["session"] =>
  Layer.unwrapScoped(
    Effect.gen(function*() {
      const exporter = yield* probeExporter.make
      const leased = yield* tunnels.leased(carrier)
      yield* tunnels.serve(leased, exporter.handlers)
      const channel = routerTunnel.channel({ controller: leased.controller, lease: tunnels.lease })
      return peer.session(Layer.scoped(GrpcChannel.GrpcChannel, channel), control(exporter))
    })
  )

/** Leased through a controller, and reached through its router: `ExporterRegistration` lends the probe. */
const overRegistration = (carrier: tunnels.Carrier): peer.Peer["session"] =>
  Layer.unwrapScoped(
    Effect.gen(function*() {
      const { certificate } = yield* certificates.localhost
      const listen = { ...anyPort, certificate }
      const lab = yield* ControllerTest.make(
        carrier === "memory" ? {} : { listen: { controller: listen, router: listen }, latency: "none" }
      )
      let exporter: Exporter.Exporter | undefined
      yield* registering.register({
        identity: yield* Effect.flatMap(lab.addExporter("bench"), lab.identityOf),
        host: Effect.tap(probeExporter.make, (made) =>
          Effect.sync(() => {
            exporter = made
          })),
        hooks: {},
        labels: {},
        localLogs: false,
        server: {},
        until: Effect.never
      })
      const controller = yield* Effect.flatMap(lab.addClient("alice"), lab.controllerOf)
      const { name } = yield* controller.createLease({ exporterName: "bench", duration: "1 hour" })
      yield* until(
        "the exporter is ready",
        lab.exporters,
        ([exporter]) => exporter?.status === "LEASE_READY"
      )
      return peer.session(
        Layer.scoped(GrpcChannel.GrpcChannel, routerTunnel.channel({ controller, lease: name })),
        Layer.succeed(peer.Control, {
          setStatus: (status, message) => exporter?.setStatus(status, message) ?? Effect.void
        })
      )
    })
  )

const served = (
  listen: Effect.Effect<Listen, never, Scope.Scope>,
  reach: peer.Reach = {}
): peer.Peer["session"] =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const exporter = yield* probeExporter.make
    const where = yield* listen
    const { passphrase } = reach
    const bound = yield* Exporter.serve(exporter, where, passphrase === undefined ? {} : { passphrase })
    const endpoint = bound._tag === "Tls" && "certificate" in where && where.certificate !== undefined
      ? Endpoint.tls("localhost", bound.port, Endpoint.Trust.CertificateAuthority({ ca: where.certificate.chain }))
      : bound
    return peer.session(peer.channel(endpoint, reach), control(exporter))
  }))

const make = (
  name: string,
  session: peer.Peer["session"],
  { extent = "transport", thorough = false }: Partial<Pick<peer.Peer, "extent" | "thorough">> = {}
): peer.Peer => ({
  name,
  session: Layer.provide(session, probeExporter.quiet),
  quirks: peer.noQuirks,
  extent,
  thorough
})

const anyPort = { host: "127.0.0.1", port: 0 }

const unix = Effect.map(socketPath, (path) => ({ path }))
const tcp = Effect.succeed(anyPort)
const tls = Effect.map(certificates.localhost, ({ certificate }) => ({ ...anyPort, certificate }))

export const peers: ReadonlyArray<peer.Peer> = [
  make("memory", memory, { extent: "styles" }),
  make("duplex", overDuplex),
  make("unix", served(unix), { extent: "styles", thorough: true }),
  make("tcp", served(tcp)),
  make("tls", served(tls)),
  make("tcp with a passphrase", served(tcp, { passphrase: Redacted.make("correct horse battery staple") }), {
    extent: "shapes"
  })
]

/** The same peers through the router of a lab. */
export const tunnelPeers: ReadonlyArray<peer.Peer> = [
  make("tunnel in memory", overTunnel("memory")),
  make("tunnel over tls", overTunnel("tls"))
]

/** The same peers, leased from a lab. */
export const registeredPeers: ReadonlyArray<peer.Peer> = [
  make("leased in memory", overRegistration("memory")),
  make("leased over tls", overRegistration("tls"))
]

/** The same peers on sockets, through nice-grpc. */
export const niceGrpcPeers: ReadonlyArray<peer.Peer> = Object.entries({ unix, tcp, tls }).map(([name, listen]) =>
  make(`${name} through nice-grpc`, served(listen, { transport: "nice-grpc" }))
)
