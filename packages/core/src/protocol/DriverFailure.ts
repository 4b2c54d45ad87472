/**
 * The failures of a driver on the serving side, and the gRPC status of each on the wire (`protocol.md` 4.3).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as callers from "./callerFrame.ts"

/**
 * The six kinds of driver failures that callers can tell apart.
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
 * A failure that a driver reports to its caller. Only the reason (as a status code) and the message are sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class DriverFailure extends Schema.TaggedError<DriverFailure>(
  "@effect-jumpstarter/core/DriverFailure/DriverFailure"
)("DriverFailure", { reason: FailureReason, message: Schema.String, cause: Schema.optional(Schema.Defect) }) {}

/**
 * Makes a failure from its reason, a message and an optional cause. Its stack begins at the line that called this function.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (reason: FailureReason, message: string, cause?: unknown): DriverFailure =>
  callers.blame(new DriverFailure({ reason, message, cause }), { caller: callers.of() })

const codes: Record<FailureReason, GrpcStatus.GrpcCode> = {
  NotImplemented: "UNIMPLEMENTED",
  InvalidArgument: "INVALID_ARGUMENT",
  Timeout: "DEADLINE_EXCEEDED",
  Connection: "UNAVAILABLE",
  Device: "INTERNAL",
  Other: "UNKNOWN"
}

/**
 * Returns the gRPC status of a failure.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toStatus = (failure: DriverFailure): GrpcStatus.GrpcStatusError =>
  GrpcStatus.make(codes[failure.reason], failure.message, failure)
