// The errors of a connection that was not made in time, and of one that was made and then failed, with both clients.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Fiber, TestClock, TestServices } from "effect"
import type { ServerHttp2Stream } from "node:http2"
import * as Net from "node:net"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { until } from "../suite/harness.ts"
import * as rawServer from "../support/rawServer.ts"

const clients: ReadonlyArray<readonly [string, ExporterConnection.EndpointOptions]> = [
  ["node:http2", {}],
  ["nice-grpc", { transport: "nice-grpc" }]
]

// How an established connection ends.
const endings: ReadonlyArray<readonly [string, (stream: ServerHttp2Stream) => void]> = [
  ["the connection breaks", (stream) => stream.session?.destroy()],
  ["the RPC is reset", (stream) => stream.close(2)],
  ["a proxy answers", (stream) => stream.respond({ ":status": 503, "content-type": "text/html" }, { endStream: true })]
]

// Accepts connections and sends nothing.
const blackHole = Effect.map(
  Effect.acquireRelease(
    Effect.async<readonly [Net.Server, Set<Net.Socket>]>((resume) => {
      const sockets = new Set<Net.Socket>()
      const server = Net.createServer((socket) => sockets.add(socket.on("error", () => {})))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed([server, sockets])))
    }),
    ([server, sockets]) =>
      Effect.sync(() => {
        sockets.forEach((socket) => socket.destroy())
        server.close()
      })
  ),
  ([server, sockets]) => {
    const address = server.address()
    return { port: typeof address === "object" && address !== null ? address.port : 0, sockets }
  }
)

const isStatus = (cause: unknown): cause is GrpcStatus.GrpcStatusError => cause instanceof GrpcStatus.GrpcStatusError

for (const [client, options] of clients) {
  describe(`through ${client}`, () => {
    for (const kind of rawServer.kinds) {
      for (const [ending, end] of endings) {
        it.scoped(`a handshake over ${kind} in which ${ending} after connectTimeout does not blame connectTimeout`, () =>
          Effect.gen(function*() {
            const begun: Array<ServerHttp2Stream> = []
            const { endpoint } = yield* rawServer.serveAt(kind, (stream) => void begun.push(stream))
            const connecting = yield* Effect.fork(Effect.flip(Effect.scoped(
              ExporterConnection.fromEndpoint(endpoint, { connectTimeout: "10 seconds", ...options })
            )))
            yield* TestServices.provideLive(
              until("the exporter is asked", Effect.sync(() => begun.length), (count) => count > 0)
            )
            yield* TestClock.adjust("20 seconds")
            begun.forEach(end)
            const { cause, details, reason } = yield* Fiber.join(connecting)
            assert.strictEqual(reason, "Unreachable")
            assert.notInclude(details, "connectTimeout")
            if (!isStatus(cause)) return assert.fail(String(cause))
            assert.strictEqual(details, cause.details)
          }))
      }
    }

    const silent = (trust: Endpoint.Trust | undefined) =>
      Effect.map(
        blackHole,
        ({ port, sockets }) =>
          [
            trust === undefined ? Endpoint.tcp("127.0.0.1", port) : Endpoint.tls("127.0.0.1", port, trust),
            sockets
          ] as const
      )
    const silences: ReadonlyArray<readonly [string, Endpoint.Trust | undefined, string]> = [
      ["in cleartext", undefined, "no connection within 10s (connectTimeout)"],
      ["over TLS", Endpoint.Trust.SystemRoots(), "no connection within 10s (connectTimeout)"],
      [
        "asked for its certificate first",
        Endpoint.Trust.TrustOnFirstUse(),
        "the server presented no certificate within 10s (connectTimeout)"
      ]
    ]
    for (const [how, trust, expected] of silences) {
      it.scoped(`a server that stays silent, ${how}, gives a Timeout with its cause`, () =>
        Effect.gen(function*() {
          const [endpoint, sockets] = yield* silent(trust)
          const connecting = yield* Effect.fork(
            Effect.flip(Effect.scoped(ExporterConnection.fromEndpoint(endpoint, options)))
          )
          yield* TestServices.provideLive(
            until("it is connected to", Effect.sync(() => sockets.size), (count) => count > 0)
          )
          yield* TestClock.adjust("10 seconds")
          const { cause, details, reason } = yield* Fiber.join(connecting)
          assert.deepStrictEqual([reason, details], ["Timeout", expected])
          if (!isStatus(cause)) return assert.fail(String(cause))
          assert.strictEqual(cause.details, expected)
          assert.isTrue(Cause.isTimeoutException(cause.cause), String(cause.cause))
        }))
    }

    it.scopedLive("an RPC on a channel that cannot connect in time says so", () =>
      Effect.gen(function*() {
        const { port } = yield* blackHole
        const channel = yield* GrpcChannel.fromEndpoint(Endpoint.tcp("127.0.0.1", port), {
          ...options,
          connectTimeout: "100 millis"
        })
        const error = yield* Effect.flip(channel.unary("/t.S/M", new Uint8Array()))
        assert.deepStrictEqual([error.code, error.origin, error.details], [
          "UNAVAILABLE",
          "transport",
          "no connection within 100ms (connectTimeout)"
        ])
        assert.isTrue(Cause.isTimeoutException(error.cause), String(error.cause))
        const viaChannel = yield* Effect.flip(ExporterConnection.fromChannel(channel))
        assert.deepStrictEqual([viaChannel.reason, viaChannel.details], ["Timeout", error.details])
      }))
  })
}
