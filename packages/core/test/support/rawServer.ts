// A gRPC server by hand over node:http2, for what no server should answer.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http2 from "node:http2"
import type * as net from "node:net"

export const grpcHeaders = { ":status": 200, "content-type": "application/grpc" }

/** Sends what there is to send and the status after it. */
export const answer = (
  stream: http2.ServerHttp2Stream,
  body: Uint8Array,
  status: Readonly<Record<string, string>> = { "grpc-status": "0" }
): void => {
  stream.respond(grpcHeaders, { waitForTrailers: true })
  stream.on("wantTrailers", () => stream.sendTrailers(status))
  stream.end(body)
}

export interface RawServer {
  /** How many streams are open now. */
  readonly open: () => number
}

/** Listens until the scope closes. */
export const serve = (
  listen: net.ListenOptions,
  handle: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void
): Effect.Effect<RawServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sessions = new Set<http2.ServerHttp2Session>()
    let open = 0
    yield* Effect.acquireRelease(
      Effect.async<http2.Http2Server>((resume) => {
        const server = http2.createServer()
        server.on("session", (session) => {
          sessions.add(session)
          session.on("error", () => {}).once("close", () => sessions.delete(session))
        })
        server.on("stream", (stream, headers) => {
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
    return { open: () => open }
  })
