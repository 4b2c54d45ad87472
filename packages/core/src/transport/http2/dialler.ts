// Opens the byte stream that an HTTP/2 connection runs over: a socket, or anything else that carries bytes in both directions, such
// as a stream of another connection.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Tls from "node:tls"
import type { Endpoint } from "../../grpc/Endpoint.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import * as hostPort from "../../grpc/hostPort.ts"
import * as connectFailure from "../connectFailure.ts"
import type { TlsTrust } from "../tlsTrust.ts"

export interface Dialler {
  /** The peer's address, for error messages. */
  readonly target: string
  /** The scheme and the authority of each request, as a URL. */
  readonly origin: string
  /** Whether it buffers all bytes in flight, as a Unix socket does. Otherwise bytes that the peer has not taken wait in this process. */
  readonly takesAll: boolean
  /** Whether it reports by itself that the peer is gone, as a Unix socket does. Otherwise the peer is pinged. */
  readonly tellsLoss: boolean
  /**
   * Opens the byte stream. The connection ends or destroys it, and closes the scope when both have ended. Every RPC that waits for
   * the connection fails with the failure of `dial`. The stream must not deliver data from within a write to it: Node aborts when a
   * write of HTTP/2 calls HTTP/2 again.
   */
  readonly dial: Effect.Effect<Duplex, GrpcStatus.GrpcStatusError, Scope.Scope>
  /** Says why HTTP/2 did not begin on the byte stream. */
  readonly explain: (reason: connectFailure.Reason, line: Duplex) => string
  /** Says what an end without an error means. Absent when nothing is known about it. */
  readonly explainEnd?: ((line: Duplex) => string) | undefined
}

const openSocket = (endpoint: Endpoint, trust: TlsTrust | undefined): Net.Socket => {
  // Without `path:`, Node would treat a path that is a number as a port.
  if (endpoint._tag === "Unix") return Net.connect({ path: endpoint.path })
  const { host, port } = endpoint
  const socket = trust === undefined ? Net.connect({ host, port }) : Tls.connect({
    host,
    port,
    ALPNProtocols: ["h2"],
    ...hostPort.serverName(host),
    ...trust
  })
  return socket.setNoDelay()
}

const origin = (endpoint: Endpoint): string =>
  endpoint._tag === "Unix"
    ? "http://localhost"
    : `${endpoint._tag === "Tls" ? "https" : "http"}://${hostPort.inUrl(endpoint.host)}:${endpoint.port}`

/** Dials a socket. */
export const toEndpoint = (endpoint: Endpoint, target: string, trust: TlsTrust | undefined): Dialler => ({
  target,
  origin: origin(endpoint),
  // Elsewhere, a Unix socket may buffer as little as 8 KiB.
  takesAll: endpoint._tag === "Unix" && process.platform === "linux",
  tellsLoss: endpoint._tag === "Unix",
  dial: Effect.async((resume) => {
    const socket = openSocket(endpoint, trust)
    const failed = (reason: connectFailure.Reason, cause?: Error) =>
      resume(
        Effect.suspend(() => GrpcStatus.lost({ rpc: "", target }, connectFailure.explain(reason, endpoint), cause))
      )
    // The connection has its own listeners for later errors.
    socket.on("error", (error) => failed(error, error))
    socket.once("close", () => failed(connectFailure.closedBeforeHttp2))
    socket.once(trust === undefined ? "connect" : "secureConnect", () => resume(Effect.succeed(socket)))
    return Effect.sync(() => socket.destroy())
  }),
  explain: (reason, line) =>
    // The TLS handshake succeeded, but HTTP/2 did not follow.
    line instanceof Tls.TLSSocket && line.alpnProtocol === false
      ? connectFailure.withoutAlpn(reason.message)
      : connectFailure.explain(reason, endpoint)
})
