// How an HTTP/2 connection comes by the bytes beneath it. A socket is one way. Anything else that carries bytes in both
// directions, such as a stream of another connection, is as good.
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
  /**
   * Whether the operating system tells when the peer is gone, and takes all that may be in flight, as it does on a Unix socket. Else
   * the peer is asked for signs of life, and what it does not take yet waits in this process.
   */
  readonly isLocal: boolean
  /**
   * Opens what the connection runs over. The connection ends it, or destroys it, and closes the scope when both are over. A failure is
   * that of every RPC that waits for the connection. What arrives must not be delivered from within a write to it: Node aborts where
   * HTTP/2 is called forth by its own write.
   */
  readonly dial: Effect.Effect<Duplex, GrpcStatus.GrpcStatusError, Scope.Scope>
  /** Says why HTTP/2 did not begin on it. */
  readonly explain: (reason: connectFailure.Reason, line: Duplex) => string
}

const openSocket = (endpoint: Endpoint, trust: TlsTrust | undefined): Net.Socket => {
  // A path that is given alone is taken for a port where it is a number.
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
  isLocal: endpoint._tag === "Unix",
  dial: Effect.async((resume) => {
    const socket = openSocket(endpoint, trust)
    const failed = (reason: connectFailure.Reason, cause?: Error) =>
      resume(GrpcStatus.lost({ rpc: "", target }, connectFailure.explain(reason, endpoint), cause))
    // Later ones are for the connection, which has listeners of its own.
    socket.on("error", (error) => failed(error, error))
    socket.once("close", () => failed(connectFailure.closedBeforeHttp2))
    socket.once(trust === undefined ? "connect" : "secureConnect", () => resume(Effect.succeed(socket)))
    return Effect.sync(() => socket.destroy())
  }),
  explain: (reason, line) =>
    // TLS stood, and what came then was no HTTP/2.
    line instanceof Tls.TLSSocket && line.alpnProtocol === false
      ? connectFailure.withoutAlpn(reason.message)
      : connectFailure.explain(reason, endpoint)
})
