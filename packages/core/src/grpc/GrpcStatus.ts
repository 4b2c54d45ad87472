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
 * The code with this number; `UNKNOWN` for numbers gRPC does not define, as the gRPC specification asks.
 *
 * @since 0.1.0
 * @category constructors
 */
export const codeFromNumber = (number: number): GrpcCode => GrpcCode.literals[number] ?? "UNKNOWN"

/**
 * The number a code travels as.
 *
 * @since 0.1.0
 * @category combinators
 */
export const codeToNumber = (code: GrpcCode): number => GrpcCode.literals.indexOf(code)

/**
 * Who made up a status: the `peer` answered with it, the `transport` reports that it failed to get an answer, or the
 * `client` refused to send or to accept a message, or reports that the peer never began the RPC.
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
 * What failed: one RPC, or the connection that all RPCs of a channel share. A peer that fails an RPC, and a stream that is
 * reset, leave the connection as it is. Of scope `connection` is a connection that was lost, could not be made, or leads to
 * something that does not speak gRPC.
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
 * Which RPC, by its full method path, and on which address. `rpc` is empty when none was begun.
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
 * An RPC that ended with another status than `OK`. `rpc` is the full method path, empty when none was begun, and `target`
 * the address; both are empty on the serving side, where handlers fail with the status they want to send. `scope` says
 * whether the connection failed or this RPC only, which it is unless given.
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
 * The status a served RPC ends with.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (code: GrpcCode, details: string, cause?: unknown): GrpcStatusError =>
  new GrpcStatusError({ code, details, origin: "peer", rpc: "", target: "", cause })

/**
 * A status of this client, which refuses to send a message or to accept what came. `scope` is `rpc` unless given.
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
 * The status of an RPC whose connection was lost, or could not be made: `UNAVAILABLE` of origin `transport`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lost = ({ rpc, target }: StatusPlace, details: string, cause?: unknown): GrpcStatusError =>
  new GrpcStatusError({ code: "UNAVAILABLE", details, origin: "transport", scope: "connection", rpc, target, cause })

/**
 * The same status with other fields. A spread would lose the cause.
 *
 * @since 0.1.0
 * @category combinators
 */
export const amend = (
  status: GrpcStatusError,
  fields: Partial<Pick<GrpcStatusError, "details" | "origin" | "scope" | "rpc" | "target">>
): GrpcStatusError => new GrpcStatusError({ ...status, cause: status.cause, ...fields })
