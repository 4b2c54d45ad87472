// A gRPC server by hand over node:http2, to send responses that no server should send.
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as http2 from "node:http2"
import type * as net from "node:net"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import type { ServerCertificate } from "../../src/transport/GrpcServer.ts"
import * as httpEnding from "../../src/transport/http/ending.ts"
import * as certificates from "./certificates.ts"
import * as temporary from "./temporary.ts"

export const grpcHeaders = { ":status": 200, "content-type": "application/grpc" }

/** Sends the given messages, and then the status. */
export const answer = (
  stream: http2.ServerHttp2Stream,
  body: Uint8Array,
  status: Readonly<Record<string, string>> = { "grpc-status": "0" },
  type = grpcHeaders["content-type"]
): void => {
  stream.respond({ ...grpcHeaders, "content-type": type }, { waitForTrailers: true })
  stream.on("wantTrailers", () => stream.sendTrailers(status))
  stream.end(body)
}

export interface RawServer {
  /** How many streams are open now. */
  readonly open: () => number
  /** The port, unless the server listens on a path. */
  readonly port: number
}

type Handle = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void

/** Listens until the scope closes. */
export const serve = (
  listen: net.ListenOptions,
  handle: Handle,
  certificate?: ServerCertificate
): Effect.Effect<RawServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sessions = new Set<http2.ServerHttp2Session>()
    let open = 0
    const server = yield* Effect.acquireRelease(
      Effect.async<http2.Http2Server | http2.Http2SecureServer>((resume) => {
        const server = certificate === undefined
          ? http2.createServer()
          : http2.createSecureServer({ cert: certificate.chain, key: Redacted.value(certificate.privateKey) })
        server.on("session", (session: http2.ServerHttp2Session) => {
          sessions.add(session)
          httpEnding.closeSafely(session)
          session.on("error", () => {}).once("close", () => sessions.delete(session))
        })
        server.on("stream", (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
          open++
          stream.on("error", () => {}).once("close", () => open--)
          handle(stream, headers)
        })
        server.listen(listen, () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          sessions.forEach((session) => session.destroy())
          server.close(() => resume(Effect.void))
        })
    )
    const address = server.address()
    return { open: () => open, port: typeof address === "object" && address !== null ? address.port : 0 }
  })

/** The kinds of endpoints of an exporter. */
export const kinds = ["unix", "tcp", "tls"] as const

export type Kind = typeof kinds[number]

/** Listens at an endpoint of the given kind until the scope closes. */
export const serveAt = Effect.fnUntraced(function*(kind: Kind, handle: Handle) {
  switch (kind) {
    case "unix": {
      const path = yield* temporary.socketPath
      return { server: yield* serve({ path }, handle), endpoint: Endpoint.unix(path) }
    }
    case "tcp": {
      const server = yield* serve({ host: "127.0.0.1", port: 0 }, handle)
      return { server, endpoint: Endpoint.tcp("127.0.0.1", server.port) }
    }
    case "tls": {
      const { ca, certificate } = yield* certificates.localhost
      const server = yield* serve({ host: "127.0.0.1", port: 0 }, handle, certificate)
      const trust = Endpoint.Trust.CertificateAuthority({ ca })
      return { server, endpoint: Endpoint.tls("127.0.0.1", server.port, trust) }
    }
  }
})
