// A client and an exporter of a lab, connected by a lease, and the router between them.
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Controller from "../../src/controller/Controller.ts"
import * as routerTunnel from "../../src/controller/routerTunnel.ts"
import * as serviceAddress from "../../src/controller/serviceAddress.ts"
import type { GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as certificates from "./certificates.ts"
import { addExporter, clientOf, metadataOf, status } from "./controller.ts"
import * as fake from "./fakeController.ts"

export type Carrier = "memory" | "tls"

export const lease = "one"

/** A lab whose only exporter listens for clients of a lease. It receives a router address for each dial: `entries`. */
export const leased = (carrier: Carrier) =>
  Effect.gen(function*() {
    const { ca, certificate } = yield* certificates.localhost
    const listen = { host: "127.0.0.1", port: 0, certificate }
    const lab = yield* ControllerTest.make(
      carrier === "memory" ? {} : { listen: { controller: listen, router: listen }, latency: "none" }
    )
    const alice = yield* lab.addClient("alice")
    const { endpoint, name, namespace, token } = alice
    const config = fake.config({ namespace, name, endpoint, token, tls: { ca } })
    const controller = yield* (carrier === "memory"
      ? lab.controllerOf(alice)
      : Effect.provideService(Controller.make(config), HttpClient.HttpClient, fake.noIssuer))

    const bench = yield* addExporter(lab, "bench")
    const notices = yield* bench.online
    yield* controller.createLease({ name: lease, exporterName: "bench", duration: "1 hour" })
    yield* notices.next
    yield* bench.report(status.ready)
    const entries = yield* Queue.unbounded<Controller.RouterAddress>()
    yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(bench.listen(lease), ({ routerEndpoint, routerToken }) =>
      Effect.flatMap(
        serviceAddress.parse(routerEndpoint, config.tls),
        (endpoint) => entries.offer({ endpoint, token: Redacted.make(routerToken) })
      ))))
    // Only a successful dial shows that the exporter listens.
    yield* Effect.retry(clientOf(lab, metadataOf(alice)).dial(lease), {
      while: ({ code }) =>
        code === "UNAVAILABLE"
    })
    yield* entries.take
    return { lab, controller, entries }
  })

export type Leased = Effect.Effect.Success<ReturnType<typeof leased>>

/** Makes the exporter serve handlers to clients that dial. */
export const serve = (
  { controller, entries }: Leased,
  handlers: GrpcHandlers,
  router: Controller.ControllerClient["router"] = controller.router
) =>
  Effect.gen(function*() {
    const accept = yield* routerTunnel.accept(handlers, { router, lease })
    // The exporter's connections end after those of clients that enter the test's scope later.
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    yield* Effect.forkScoped(
      Effect.forever(Effect.flatMap(entries.take, (address) => Effect.forkIn(Effect.ignore(accept(address)), scope)))
    )
  })
