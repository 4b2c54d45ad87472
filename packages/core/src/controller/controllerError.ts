// The error of a request to the controller. Controller re-exports it.
import * as Schema from "effect/Schema"
import { GrpcCode } from "../grpc/GrpcStatus.ts"

/**
 * Why a request failed, for programs that act on the reason.
 *
 * About the client or the exporter:
 *
 * - `Unauthenticated`: the token is missing, damaged, or belongs to another service
 * - `TokenExpired`: the token has expired, and there is no refresh token
 * - `RefreshFailed`: the token has expired, and the issuer returned no new one
 * - `UnknownClient`, `UnknownExporter`: the service has no client or exporter of this name and namespace
 * - `PermissionDenied`: the token belongs to another client, exporter or namespace
 *
 * About the request:
 *
 * - `Invalid`: the request has a mistake, such as a selector with a syntax error or a duration of zero
 * - `NotFound`: there is no such exporter, lease, or client to transfer a lease to
 * - `AlreadyExists`: another lease has or had this name
 * - `NotYours`: the lease belongs to another client, or has been transferred to one
 * - `NotActive`: the lease has no exporter yet, or never got one
 * - `AlreadyStarted`: the lease has begun, so its begin time cannot change
 * - `AlreadyReleased`: the lease was released before
 * - `Ended`: the lease has ended
 * - `NotExtendable`: the lease has a fixed end, so its duration cannot change
 * - `HookFailed`: the exporter's hook before or after the lease failed
 * - `ExporterOffline`: the exporter has left
 * - `Unsupported`: the service is too old for the request
 *
 * Transient, and retried until the time was over:
 *
 * - `NotReady`: the exporter is not ready for connections yet
 * - `NotListening`: the exporter does not accept connections at the moment
 * - `Busy`: the exporter's queue of connections to accept is full
 * - `Starting`: the controller has just started, and cannot verify tokens for about ten seconds
 * - `Unavailable`: there is no connection to the controller
 *
 * Other:
 *
 * - `TimedOut`: there was no answer in time; the request may have been carried out
 * - `Untrusted`: the certificate or the address of the controller or router cannot be trusted or used
 * - `Failed`: any other failure; see `code` and `details`
 *
 * @since 0.1.0
 * @category schemas
 */
export const ControllerReason = Schema.Literal(
  "Unauthenticated",
  "TokenExpired",
  "RefreshFailed",
  "UnknownClient",
  "UnknownExporter",
  "PermissionDenied",
  "Invalid",
  "NotFound",
  "AlreadyExists",
  "NotYours",
  "NotActive",
  "AlreadyStarted",
  "AlreadyReleased",
  "Ended",
  "NotExtendable",
  "HookFailed",
  "ExporterOffline",
  "Unsupported",
  "NotReady",
  "NotListening",
  "Busy",
  "Starting",
  "Unavailable",
  "TimedOut",
  "Untrusted",
  "Failed"
)

/**
 * @since 0.1.0
 * @category models
 */
export type ControllerReason = typeof ControllerReason.Type

const advice: Partial<Record<ControllerReason, string>> = {
  Unauthenticated: "log in again with `jmp login`, or use a token of this service",
  TokenExpired: "log in again with `jmp login`",
  RefreshFailed: "log in again with `jmp login`",
  UnknownClient: "check the namespace and the name in the client configuration",
  UnknownExporter: "check the namespace and the name in the exporter configuration",
  PermissionDenied: "check the namespace and the name in the configuration, to which the token must belong",
  Starting: "the controller has just started",
  Unsupported: "the service is too old for this request",
  Untrusted: "check `tls` in the configuration"
}

const isSent = (): boolean => true

/**
 * A request to the controller failed. `rpc` is the name of the RPC, such as `CreateLease`, or `connect`. `code` and `details` are those of
 * the gRPC status. `subject` is the name of the lease or exporter. `sent` is `false` when this library refused the request, so that nothing
 * was sent. `position` is the position of the mistake in a selector, in characters from 1.
 *
 * @since 0.1.0
 * @category errors
 */
export class ControllerError extends Schema.TaggedError<ControllerError>(
  "@effect-jumpstarter/core/Controller/ControllerError"
)("ControllerError", {
  reason: ControllerReason,
  rpc: Schema.String,
  target: Schema.String,
  subject: Schema.optional(Schema.String),
  code: GrpcCode,
  details: Schema.String,
  sent: Schema.Boolean.pipe(Schema.optional, Schema.withDefaults({ constructor: isSent, decoding: isSent })),
  position: Schema.optional(Schema.Number),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const { code, reason, rpc, target } = this
    const subject = this.subject === undefined ? "" : ` ${this.subject}`
    const way = advice[reason]
    const details = `${this.details}${way === undefined ? "" : `; ${way}`}`
    return this.sent
      ? `${rpc}${subject} on ${target} failed (${reason}, ${code}): ${details}`
      : `${rpc}${subject} on ${target} was not sent (${reason}, ${code}): ${details}`
  }
}

const transient: ReadonlySet<ControllerReason> = new Set([
  "NotReady",
  "NotListening",
  "Busy",
  "Starting",
  "Unavailable"
])

/**
 * Whether the failure may pass by itself. A `Controller` has already retried the request until its time was over.
 *
 * @since 0.1.0
 * @category guards
 */
export const isTransient = (error: ControllerError): boolean => transient.has(error.reason)

/** Whether the request may succeed later. A request that has timed out may have been carried out. */
export const mayPass = (error: ControllerError): boolean => isTransient(error) || error.reason === "TimedOut"
