// Errors of a call that this side raises itself, without a status of the peer.
import type { GrpcCode, GrpcStatusError } from "../grpc/GrpcStatus.ts"
import { blame } from "./callerFrame.ts"
import type { CallSite, ValuePath } from "./callSite.ts"
import * as DriverError from "./DriverError.ts"
import { LeaseEnded } from "./LeaseEnded.ts"

interface Reason {
  readonly details: string
  readonly path?: ValuePath
  readonly cause?: unknown
}

// Nothing was sent.
export const invalidArgument = (site: CallSite, { path = [], ...reason }: Reason): DriverError.InvalidArgument =>
  blame(
    new DriverError.InvalidArgument({ ...site, ...reason, path, code: "INVALID_ARGUMENT", origin: "client" }),
    site
  )

export const unexpectedResult = (
  site: CallSite,
  code: GrpcCode,
  { path = [], ...reason }: Reason
): DriverError.UnexpectedResult =>
  blame(new DriverError.UnexpectedResult({ ...site, ...reason, path, code, origin: "client" }), site)

// With the origin `client` nothing was sent.
export const connectionLost = (
  site: CallSite,
  origin: "client" | "transport",
  status: GrpcStatusError,
  details = status.details
): DriverError.ConnectionLost =>
  blame(
    new DriverError.ConnectionLost({
      ...site,
      code: status.code,
      details,
      origin,
      cause: status.cause instanceof LeaseEnded ? status.cause : status
    }),
    site
  )
