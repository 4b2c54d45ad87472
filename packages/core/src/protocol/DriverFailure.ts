/**
 * What a driver fails with on the serving side, and the status each failure travels as (`protocol.md` 4.3).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"

/**
 * The six families of driver failures, as callers can tell them apart.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FailureReason = Schema.Literal(
  "NotImplemented",
  "InvalidArgument",
  "Timeout",
  "Connection",
  "Device",
  "Other"
)

/**
 * @since 0.1.0
 * @category models
 */
export type FailureReason = typeof FailureReason.Type

/**
 * A failure a driver reports to its caller. Only the reason, as a status code, and the message travel.
 *
 * @since 0.1.0
 * @category errors
 */
export class DriverFailure extends Schema.TaggedError<DriverFailure>(
  "@effect-jumpstarter/core/DriverFailure/DriverFailure"
)("DriverFailure", { reason: FailureReason, message: Schema.String, cause: Schema.optional(Schema.Defect) }) {}

/**
 * A failure with a reason.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (reason: FailureReason, message: string, cause?: unknown): DriverFailure =>
  new DriverFailure({ reason, message, cause })

const codes: Record<FailureReason, GrpcStatus.GrpcCode> = {
  NotImplemented: "UNIMPLEMENTED",
  InvalidArgument: "INVALID_ARGUMENT",
  Timeout: "DEADLINE_EXCEEDED",
  Connection: "UNAVAILABLE",
  Device: "INTERNAL",
  Other: "UNKNOWN"
}

/**
 * The status a failure travels as.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toStatus = (failure: DriverFailure): GrpcStatus.GrpcStatusError =>
  GrpcStatus.make(codes[failure.reason], failure.message, failure)
