/**
 * Serves handlers on Unix sockets, TCP and TLS.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Endpoint from "../grpc/Endpoint.ts"
import type { GrpcHandlers } from "../grpc/GrpcHandler.ts"
import * as hostPort from "../grpc/hostPort.ts"
import * as httpServer from "./http2/server.ts"
import type { Listen, ServerCertificate, ServerOptions } from "./listen.ts"

/**
 * The server cannot listen at its address. `details` says why.
 *
 * @since 0.1.0
 * @category errors
 */
export class GrpcServerError extends Schema.TaggedError<GrpcServerError>(
  "@effect-jumpstarter/core/GrpcServer/GrpcServerError"
)("GrpcServerError", { address: Schema.String, details: Schema.String, cause: Schema.optional(Schema.Defect) }) {
  override get message(): string {
    return `cannot listen on ${this.address}: ${this.details}`
  }
}

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
): Effect.Effect<Endpoint.Endpoint, GrpcServerError, Scope.Scope> =>
  Effect.mapError(httpServer.serve(handlers, listen, options), ({ error }) =>
    new GrpcServerError({
      address: hostPort.formatListen(listen),
      details: error instanceof Error ? error.message : String(error),
      cause: error
    }))
