/**
 * Serves handlers on Unix sockets, TCP and TLS.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Endpoint from "./Endpoint.ts"
import type { GrpcHandlers } from "./GrpcHandler.ts"
import * as niceGrpcServer from "./internal/niceGrpcServer.ts"

/**
 * A server that could not start to listen.
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

/**
 * The certificate chain and private key a server proves itself with, as PEM.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerCertificate {
  readonly chain: string
  readonly privateKey: Redacted.Redacted
}

/**
 * Where to listen: a Unix socket, or a host and port over TCP, with TLS when there is a certificate. Port 0 lets the
 * system choose.
 *
 * @since 0.1.0
 * @category models
 */
export type Listen =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; readonly certificate?: ServerCertificate | undefined }

/**
 * Serves handlers until the scope closes, and answers with the endpoint a client on this machine can reach.
 *
 * Closing interrupts the handlers, which wait for their finalizers, then ends the connections; a peer that does not
 * take its answers is cut off after a second.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = (
  handlers: GrpcHandlers,
  listen: Listen
): Effect.Effect<Endpoint.Endpoint, GrpcServerError, Scope.Scope> =>
  Effect.mapError(niceGrpcServer.serve(handlers, listen), ({ error }) =>
    new GrpcServerError({
      address: "path" in listen ? listen.path : `${listen.host}:${listen.port}`,
      // grpc-js wraps the cause of the one address there is into a summary of all.
      details: (error instanceof Error ? error.message : String(error)).replace(/^.*resolved errors: \[(.*)\]$/, "$1"),
      cause: error
    }))
