// What a request to the controller fails with. Controller re-exports it.
import * as Schema from "effect/Schema"
import { GrpcCode } from "../grpc/GrpcStatus.ts"

/**
 * Why the controller did not do what was asked, for a program that acts on it.
 *
 * About the client:
 *
 * - `Unauthenticated`: the token is missing, damaged, or of another service
 * - `TokenExpired`: the token has expired, and there is no new one
 * - `RefreshFailed`: the issuer gave no new token for one that has expired
 * - `UnknownClient`: the service has no client of this name and namespace
 * - `PermissionDenied`: the token is not this client's, or the namespace is another one
 *
 * About what was asked for:
 *
 * - `Invalid`: the request makes no sense, such as a selector that cannot be read or a duration of zero
 * - `NotFound`: there is no such exporter, lease, or client to transfer a lease to
 * - `AlreadyExists`: another lease has or had this name
 * - `NotYours`: the lease belongs to another client, or has been transferred to one
 * - `NotActive`: the lease has no exporter yet, or never got one
 * - `AlreadyStarted`: the lease has begun, so that its begin cannot change
 * - `AlreadyReleased`: the lease was released before
 * - `Ended`: the lease is over
 * - `NotExtendable`: the lease has a fixed end, so that its duration cannot change
 * - `HookFailed`: the hook of the exporter at the begin or end of the lease failed
 * - `ExporterOffline`: the exporter has left
 * - `Unsupported`: the service is of a version that does not know the request
 *
 * What passes by itself, and was tried again until the time was over:
 *
 * - `NotReady`: the exporter is not ready for connections yet
 * - `NotListening`: the exporter waits for no connection at this moment
 * - `Busy`: the exporter has more connections to accept than fit
 * - `Starting`: the controller has just started, and cannot verify tokens for some ten seconds
 * - `Unavailable`: there is no connection to the controller
 *
 * Other:
 *
 * - `TimedOut`: there was no answer in time; whether the request was carried out is not known
 * - `Untrusted`: the certificate or the address of the controller or router cannot be trusted or used
 * - `Failed`: everything else; `code` and `details` have what is known
 *
 * @since 0.1.0
 * @category schemas
 */
export const ControllerReason = Schema.Literal(
  "Unauthenticated",
  "TokenExpired",
  "RefreshFailed",
  "UnknownClient",
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
  Unauthenticated: "log in again with `jmp login`, or give a token of this service",
  TokenExpired: "log in again with `jmp login`",
  RefreshFailed: "log in again with `jmp login`",
  UnknownClient: "check the namespace and the name of the client's configuration",
  PermissionDenied:
    "check the namespace and the name of the client's configuration; they have to be those of the token",
  Starting: "the controller has just started",
  Unsupported: "the service is too old for this"
}

/**
 * A request to the controller that failed. `rpc` is the name of the RPC, as in `CreateLease`, or `connect`; `code` and `details` are
 * the status of the wire. `subject` is the lease or exporter it was about. `position` is there for a selector that cannot be read: the
 * first character that does not fit, from 1.
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
  position: Schema.optional(Schema.Number),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const subject = this.subject === undefined ? "" : ` ${this.subject}`
    const way = advice[this.reason]
    return `${this.rpc}${subject} on ${this.target} failed (${this.reason}, ${this.code}): ${this.details}${
      way === undefined ? "" : `; ${way}`
    }`
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
 * Whether the reason may be gone by itself in a while. The requests of a `Controller` were tried again until their time was over.
 *
 * @since 0.1.0
 * @category guards
 */
export const isTransient = (error: ControllerError): boolean => transient.has(error.reason)
