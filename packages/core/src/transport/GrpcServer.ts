/**
 * Serves handlers on Unix sockets, TCP and TLS.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Endpoint from "../grpc/Endpoint.ts"
import type { GrpcHandlers } from "../grpc/GrpcHandler.ts"
import * as httpServer from "./http2/server.ts"
import { GrpcServerError, type Listen, type ServerCertificate, type ServerOptions } from "./listen.ts"

export { GrpcServerError }

export type { Listen, ServerCertificate, ServerOptions }

/**
 * Serves handlers until the scope closes. Returns an endpoint that a client on this machine can connect to; with TLS, the endpoint
 * trusts the served certificate.
 *
 * Closing interrupts the handlers, waits for their finalizers, and then ends the connections. A peer that does not read its
 * responses is cut off after a second.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = (
  handlers: GrpcHandlers,
  listen: Listen,
  options: ServerOptions = {}
): Effect.Effect<Endpoint.Endpoint, GrpcServerError, Scope.Scope> => httpServer.serve(handlers, listen, options)
