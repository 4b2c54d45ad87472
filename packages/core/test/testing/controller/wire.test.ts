// What other programs see of the stand-in on their connections to it.
import { ControllerServiceDefinition, ListenRequest } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { StreamRequest } from "@effect-jumpstarter/proto/jumpstarter/v1/router"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Stream } from "effect"
import type { ClientHttp2Stream } from "node:http2"
import * as rpcs from "../../../src/protocol/rpcs.ts"
import * as ControllerTest from "../../../src/testing/ControllerTest.ts"
import { addClient, exporterOf, metadataOf, status } from "../../support/controller.ts"
import * as raw from "../../support/rawGrpc.ts"

const local = { host: "127.0.0.1", port: 0 }

// A stand-in on sockets. Alice holds the lease `one` of its only exporter.
const leased = Effect.gen(function*() {
  const lab = yield* ControllerTest.make({ listen: { controller: local, router: local }, latency: "none" })
  const alice = yield* addClient(lab, "alice")
  const credentials = yield* lab.addExporter("bench")
  const bench = exporterOf(lab, metadataOf(credentials))
  const notices = yield* bench.online
  yield* alice.lease({ exporterName: "bench" }, "one")
  yield* notices.next
  yield* bench.report(status.ready)
  return {
    alice,
    bench,
    metadata: metadataOf(credentials),
    controller: yield* raw.connect(`http://${credentials.endpoint}`),
    router: yield* raw.connect(`http://${lab.routerEndpoint}`)
  }
})

const headersOf = (stream: ClientHttp2Stream) => {
  let arrived = false
  const response = new Promise<void>((resolve) =>
    stream.once("response", () => {
      arrived = true
      resolve()
    })
  )
  return { response: Effect.promise(() => response), arrived: () => arrived }
}

// When the response to a later request has arrived, the earlier ones have been handled.
const handled = (session: raw.Session) =>
  raw.ask(session, { path: "/a.later/Request", body: raw.prefixed(Buffer.of()) })

describe("response headers", () => {
  it.scopedLive("of Listen arrive with the first token", () =>
    Effect.gen(function*() {
      const { alice, controller, metadata } = yield* leased
      const listening = headersOf(raw.begin(controller, {
        path: rpcs.of(ControllerServiceDefinition, ControllerServiceDefinition.methods.listen),
        headers: metadata,
        body: raw.prefixed(ListenRequest.encode({ leaseName: "one" }).finish())
      }))
      yield* handled(controller)
      assert.isFalse(listening.arrived())
      yield* Effect.retry(alice.dial("one"), { while: ({ code }) => code === "UNAVAILABLE" })
      yield* listening.response
    }))

  it.scopedLive("of a tunnel arrive with the first frame for that end", () =>
    Effect.gen(function*() {
      const { alice, bench, router } = yield* leased
      const token = yield* Deferred.make<string>()
      yield* Effect.forkScoped(
        Effect.ignore(Stream.runForEach(bench.listen("one"), ({ routerToken }) => Deferred.succeed(token, routerToken)))
      )
      yield* Effect.retry(alice.dial("one"), { while: ({ code }) => code === "UNAVAILABLE" })
      const headers = { authorization: `Bearer ${yield* Deferred.await(token)}` }
      const open = () => raw.begin(router, { path: rpcs.stream, headers, open: true })
      const first = headersOf(open())
      const second = open()
      const { arrived } = headersOf(second)
      yield* handled(router)
      assert.deepStrictEqual([first.arrived(), arrived()], [false, false])
      second.write(raw.prefixed(StreamRequest.encode({ payload: Buffer.from("x"), frameType: 0 }).finish()))
      yield* first.response
      assert.isFalse(arrived())
    }))
})

it.scopedLive("a connection to the controller has 250 streams, and one to the router has no limit", () =>
  Effect.gen(function*() {
    const { controller, router } = yield* leased
    yield* Effect.all([handled(controller), handled(router)])
    assert.strictEqual(controller.remoteSettings.maxConcurrentStreams, 250)
    assert.strictEqual(router.remoteSettings.maxConcurrentStreams, 2 ** 32 - 1)
  }))
