// Why a connection could not be made: the advice fits the kind of address.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Net from "node:net"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as connectFailure from "../../src/transport/connectFailure.ts"
import * as texts from "../../src/transport/niceGrpc/texts.ts"
import * as temporary from "../support/temporary.ts"

const clients: ReadonlyArray<readonly [string, ExporterConnection.EndpointOptions]> = [
  ["node:http2", {}],
  ["nice-grpc", { transport: "nice-grpc" }]
]

// Ways to close a connection before the handshake.
const closings: ReadonlyArray<readonly [string, (socket: Net.Socket) => void]> = [
  ["at once", (socket) => socket.destroy()],
  ["in good order", (socket) => socket.end()],
  ["after the client has sent something", (socket) => socket.once("data", () => socket.destroy())]
]

const closing = (listen: Net.ListenOptions, close: (socket: Net.Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Net.Server>((resume) => {
        const server = Net.createServer((socket) => close(socket.on("error", () => {})))
        server.listen(listen, () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    }
  )

for (const [client, options] of clients) {
  describe(`a server that closes the connection before the handshake, through ${client}`, () => {
    const detailsOf = (endpoint: Endpoint.Endpoint) =>
      Effect.map(
        Effect.flip(
          Effect.scoped(ExporterConnection.fromEndpoint(endpoint, { connectTimeout: "5 seconds", ...options }))
        ),
        ({ details, reason }) => {
          assert.strictEqual(reason, "Unreachable")
          return details
        }
      )

    for (const [how, close] of closings) {
      it.scopedLive(`${how}: the advice mentions TLS only where TLS is possible`, () =>
        Effect.gen(function*() {
          const path = yield* temporary.socketPath
          yield* closing({ path }, close)
          const port = yield* closing({ host: "127.0.0.1", port: 0 }, close)
          assert.match(
            yield* detailsOf(Endpoint.unix(path)),
            /^[^;]+; does an exporter listen there, or has the lease of its `jmp shell` ended\?$/
          )
          assert.match(yield* detailsOf(Endpoint.tcp("127.0.0.1", port)), /^[^;]+; does the server expect TLS\?$/)
          assert.match(
            yield* detailsOf(Endpoint.tls("127.0.0.1", port)),
            /; does the server speak TLS, and offer HTTP\/2 through ALPN\?$/
          )
        }))
    }
  })
}

it("the advice on a connection that the system forbids depends on the kind of address", () => {
  const reason = Object.assign(new Error("connect EACCES"), { code: "EACCES" })
  assert.match(connectFailure.explain(reason, Endpoint.unix("/run/x.sock")), /the socket belongs to another user/)
  for (const endpoint of [Endpoint.tcp("10.0.0.7", 1234), Endpoint.tls("10.0.0.7", 1234)]) {
    const text = connectFailure.explain(reason, endpoint)
    assert.strictEqual(
      text,
      "connect EACCES: this machine does not let the program connect; does a firewall block it?"
    )
    assert.strictEqual(
      connectFailure.explain(texts.connectFailure("connect EACCES 10.0.0.7:1234"), endpoint).split(": ")[1],
      text.split(": ")[1]
    )
  }
})
