/**
 * The errors of driver calls, and the one table from gRPC status to error. Calls, streaming calls and byte streams share both
 * (`protocol.md` 4.3 and 4.4).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { GrpcCode, type GrpcStatusError } from "../grpc/GrpcStatus.ts"
import { memory } from "../grpc/memoryAddress.ts"
import { blame } from "./callerFrame.ts"
import { CallKind, callName, type CallSite, type ValuePath } from "./callSite.ts"
import * as pythonTexts from "./pythonTexts.ts"

export { CallKind, type CallSite, type ValuePath }

/**
 * Where the failure comes from: the `driver` (or its exporter) reported it, the `transport` failed, or the `client` refused
 * locally.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ErrorOrigin = Schema.Literal("driver", "transport", "client")

/**
 * @since 0.1.0
 * @category models
 */
export type ErrorOrigin = typeof ErrorOrigin.Type

const fields = {
  // Errors that other software encoded may have no address.
  address: Schema.optionalWith(Schema.String, { default: () => "" }).pipe(Schema.withConstructorDefault(() => "")),
  driver: Schema.String,
  uuid: Schema.String,
  method: Schema.String,
  kind: CallKind,
  code: GrpcCode,
  details: Schema.String,
  origin: ErrorOrigin,
  cause: Schema.optional(Schema.Defect)
}

const path = { path: Schema.Array(Schema.Union(Schema.String, Schema.Number)) }

const describe = (
  error: CallSite & { readonly code: GrpcCode; readonly details: string; readonly origin: ErrorOrigin },
  outcome: string
): string => {
  const details = error.details === "" ? "no details" : error.details
  // Details about a connection or a recording may contain the address already.
  const isShown = error.address !== memory && !error.details.includes(error.address)
  const where = isShown ? `, ${error.address}` : ""
  const advice = error.origin === "driver" ? pythonTexts.advice(error) : undefined
  return `${callName(error)} ${outcome} (${error.code}${where}): ${details}${advice === undefined ? "" : `; ${advice}`}`
}

/**
 * Formats a path inside a value as JavaScript would write it, such as `[0].channels[2]`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const formatValuePath = (steps: ValuePath): string =>
  steps.map((step) =>
    typeof step === "number" ? `[${step}]` : /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
  ).join("")

const at = (steps: ValuePath): string => steps.length === 0 ? "" : ` at ${formatValuePath(steps)}`

/**
 * The driver has no such method, or has it as another kind of call, or reported that it is not implemented.
 *
 * @since 0.1.0
 * @category errors
 */
export class MethodNotImplemented extends Schema.TaggedError<MethodNotImplemented>(
  "@effect-jumpstarter/core/DriverError/MethodNotImplemented"
)("MethodNotImplemented", fields) {
  override get message(): string {
    return describe(this, "is not implemented")
  }
}

/**
 * An argument was refused. Either the driver refused it, or this client did before anything was sent (`origin` is `"client"`);
 * then `path` leads to the offending value.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>(
  "@effect-jumpstarter/core/DriverError/InvalidArgument"
)("InvalidArgument", { ...fields, ...path }) {
  override get message(): string {
    const where = this.path.length === 0 ? "" : `, arguments${formatValuePath(this.path)}`
    return describe(this, this.origin === "client" ? `was not sent${where}` : "was refused for its arguments")
  }
}

/**
 * The exporter's status forbids driver calls (`protocol.md` 4.2).
 *
 * @since 0.1.0
 * @category errors
 */
export class ExporterNotReady extends Schema.TaggedError<ExporterNotReady>(
  "@effect-jumpstarter/core/DriverError/ExporterNotReady"
)("ExporterNotReady", fields) {
  override get message(): string {
    return describe(
      this,
      this.origin === "client" ? "was not sent, exporter not ready" : "was refused, exporter not ready"
    )
  }
}

/**
 * The driver reported a failure of its own, such as a timeout, device I/O, or a lost connection to the *device*.
 *
 * @since 0.1.0
 * @category errors
 */
export class DriverError extends Schema.TaggedError<DriverError>(
  "@effect-jumpstarter/core/DriverError/DriverError"
)("DriverError", fields) {
  override get message(): string {
    return describe(this, "failed")
  }
}

/**
 * The connection to the exporter failed or was closed before an answer arrived. The driver may or may not have acted: the
 * outcome of the call is unknown. With `origin` `"client"` nothing was sent, because the connection was known to be lost or
 * closed, or because the byte stream had ended (`FAILED_PRECONDITION`).
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>(
  "@effect-jumpstarter/core/DriverError/ConnectionLost"
)("ConnectionLost", fields) {
  override get message(): string {
    return describe(
      this,
      this.origin !== "client"
        ? "lost its connection, outcome unknown"
        : this.code === "FAILED_PRECONDITION"
        ? "has ended, nothing was sent"
        : "was not sent, connection lost"
    )
  }
}

/**
 * The driver's answer does not decode; `path` leads to the offending part. Or a transfer failed on this side after something
 * was sent, for instance because its source does not decode.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnexpectedResult extends Schema.TaggedError<UnexpectedResult>(
  "@effect-jumpstarter/core/DriverError/UnexpectedResult"
)("UnexpectedResult", { ...fields, ...path }) {
  override get message(): string {
    return describe(this, `returned an unexpected result${at(this.path)}`)
  }
}

/**
 * The union of all errors of a call, a streaming call, a byte stream or a transfer.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DriverCallError = Schema.Union(
  MethodNotImplemented,
  InvalidArgument,
  ExporterNotReady,
  DriverError,
  ConnectionLost,
  UnexpectedResult
)

/**
 * @since 0.1.0
 * @category errors
 */
export type DriverCallError =
  | MethodNotImplemented
  | InvalidArgument
  | ExporterNotReady
  | DriverError
  | ConnectionLost
  | UnexpectedResult

/**
 * Returns whether a value is one of the driver call errors.
 *
 * @since 0.1.0
 * @category guards
 */
export const isDriverCallError: (u: unknown) => u is DriverCallError = Schema.is(DriverCallError)

/**
 * Returns the error for a gRPC status. The table is total:
 *
 * - a status of the transport is a `ConnectionLost`
 * - a call that this client did not send, or cancelled, because the connection or the stream was gone is a `ConnectionLost` too
 * - any other refusal of this client is an `InvalidArgument` or an `UnexpectedResult`
 * - every status of the peer has its row
 *
 * `NOT_FOUND` means the same for every kind of call; the Python client maps it for unary calls only.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromStatus = (status: GrpcStatusError, site: CallSite): DriverCallError => blame(make(status, site), site)

const make = (status: GrpcStatusError, site: CallSite): DriverCallError => {
  const common = {
    address: site.address,
    driver: site.driver,
    uuid: site.uuid,
    method: site.method,
    kind: site.kind,
    code: status.code,
    details: status.details,
    cause: status.cause
  }
  switch (status.origin) {
    case "transport":
      return new ConnectionLost({ ...common, origin: "transport" })
    case "client":
      switch (status.code) {
        case "INVALID_ARGUMENT":
          return new InvalidArgument({ ...common, origin: "client", path: [] })
        // The connection is gone, or the byte stream has ended.
        case "UNAVAILABLE":
        case "FAILED_PRECONDITION":
          return new ConnectionLost({ ...common, origin: "client" })
        // An interrupted call reports no error, so the connection was closed. The call may have been sent.
        case "CANCELLED":
          return new ConnectionLost({ ...common, origin: "transport" })
        default:
          return new UnexpectedResult({ ...common, origin: "client", path: [] })
      }
    case "peer":
      switch (status.code) {
        case "UNIMPLEMENTED":
        case "NOT_FOUND":
          return new MethodNotImplemented({ ...common, origin: "driver" })
        case "INVALID_ARGUMENT":
          return new InvalidArgument({ ...common, origin: "driver", path: [] })
        case "FAILED_PRECONDITION":
          return new ExporterNotReady({ ...common, origin: "driver" })
        default:
          return new DriverError({ ...common, origin: "driver" })
      }
  }
}
