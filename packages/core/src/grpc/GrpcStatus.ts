/**
 * gRPC status codes, and the one error a `GrpcChannel` fails with.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The name of a gRPC status code.
 *
 * @since 0.1.0
 * @category schemas
 */
export const GrpcCode = Schema.Literal(
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED"
)

/**
 * @since 0.1.0
 * @category models
 */
export type GrpcCode = typeof GrpcCode.Type

/**
 * Returns the code with this number, and `UNKNOWN` for numbers that gRPC does not define, as its specification requires.
 *
 * @since 0.1.0
 * @category constructors
 */
export const codeFromNumber = (number: number): GrpcCode => GrpcCode.literals[number] ?? "UNKNOWN"

/**
 * Returns the number of a code on the wire.
 *
 * @since 0.1.0
 * @category combinators
 */
export const codeToNumber = (code: GrpcCode): number => GrpcCode.literals.indexOf(code)

/**
 * Where a status comes from. The `peer` sent it. Or the `transport` reports that it got no answer. Or the `client` refused to
 * send or to accept a message, or reports that the peer never began the RPC.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StatusOrigin = Schema.Literal("peer", "transport", "client")

/**
 * @since 0.1.0
 * @category models
 */
export type StatusOrigin = typeof StatusOrigin.Type

/**
 * What failed: one RPC, or the connection that all RPCs of a channel share. The scope is `rpc` when the peer fails an RPC or
 * resets its stream; the connection stays usable. The scope is `connection` when the connection was lost, could not be made, or
 * leads to a server that does not speak gRPC.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StatusScope = Schema.Literal("rpc", "connection")

/**
 * @since 0.1.0
 * @category models
 */
export type StatusScope = typeof StatusScope.Type

/**
 * The RPC, by its full method path, and its address. `rpc` is empty when no RPC was begun.
 *
 * @since 0.1.0
 * @category models
 */
export interface StatusPlace {
  readonly rpc: string
  readonly target: string
}

const oneRpc = (): StatusScope => "rpc"

/**
 * An RPC ended with a status other than `OK`. `rpc` is the full method path, and empty when no RPC was begun; `target` is the
 * address. Both are empty on the serving side, where handlers fail with the status they want to send. `scope` says whether only
 * this RPC failed (the default) or the connection.
 *
 * @since 0.1.0
 * @category errors
 */
export class GrpcStatusError extends Schema.TaggedError<GrpcStatusError>(
  "@effect-jumpstarter/core/GrpcStatus/GrpcStatusError"
)("GrpcStatusError", {
  code: GrpcCode,
  details: Schema.String,
  origin: StatusOrigin,
  scope: StatusScope.pipe(Schema.optional, Schema.withDefaults({ constructor: oneRpc, decoding: oneRpc })),
  rpc: Schema.String,
  target: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const where = this.rpc !== ""
      ? `${this.rpc} on ${this.target} ended with `
      : this.target === ""
      ? ""
      : `${this.target}: `
    return `${where}${this.code} from the ${this.origin}: ${this.details === "" ? "no details" : this.details}`
  }
}

/**
 * Makes the status that a served RPC ends with.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (code: GrpcCode, details: string, cause?: unknown): GrpcStatusError =>
  new GrpcStatusError({ code, details, origin: "peer", rpc: "", target: "", cause })

/**
 * Makes a status of origin `client`: this side refuses to send or to accept a message. `scope` defaults to `rpc`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refused = (
  { rpc, target }: StatusPlace,
  code: GrpcCode,
  details: string,
  options?: { readonly scope?: StatusScope | undefined; readonly cause?: unknown }
): GrpcStatusError =>
  new GrpcStatusError({
    code,
    details,
    origin: "client",
    scope: options?.scope ?? "rpc",
    rpc,
    target,
    cause: options?.cause
  })

/**
 * Makes the status of an RPC whose connection was lost or could not be made: `UNAVAILABLE` of origin `transport`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lost = ({ rpc, target }: StatusPlace, details: string, cause?: unknown): GrpcStatusError =>
  new GrpcStatusError({ code: "UNAVAILABLE", details, origin: "transport", scope: "connection", rpc, target, cause })

/**
 * Returns the status with some fields replaced. A spread would lose the cause.
 *
 * @since 0.1.0
 * @category combinators
 */
export const amend = (
  status: GrpcStatusError,
  fields: Partial<Pick<GrpcStatusError, "details" | "origin" | "scope" | "rpc" | "target">>
): GrpcStatusError => new GrpcStatusError({ ...status, cause: status.cause, ...fields })
