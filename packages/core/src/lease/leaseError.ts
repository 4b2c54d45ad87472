// What a lease fails with, besides the requests to the controller. Lease re-exports it.
import * as Schema from "effect/Schema"

/**
 * Why there is no lease.
 *
 * - `Unsatisfiable`: no exporter matches, or none that this client may lease
 * - `Invalid`: the controller cannot grant what was requested
 * - `WaitedTooLong`: the lease had no exporter within `waitAtMost`
 * - `NotFound`: there is no lease with this name
 * - `NotYours`: the lease belongs to another client
 * - `NotExtendable`: the lease has a fixed end
 * - `Ended`: the lease ended before it could be used
 *
 * @since 0.1.0
 * @category schemas
 */
export const LeaseReason = Schema.Literal(
  "Unsatisfiable",
  "Invalid",
  "WaitedTooLong",
  "NotFound",
  "NotYours",
  "NotExtendable",
  "Ended"
)

/**
 * @since 0.1.0
 * @category models
 */
export type LeaseReason = typeof LeaseReason.Type

/**
 * A lease could not be acquired or extended. `request` is what was requested, in words. `details` has the controller's reason.
 *
 * @since 0.1.0
 * @category errors
 */
export class LeaseError extends Schema.TaggedError<LeaseError>("@effect-jumpstarter/core/Lease/LeaseError")(
  "LeaseError",
  {
    reason: LeaseReason,
    lease: Schema.String,
    request: Schema.String,
    details: Schema.String,
    cause: Schema.optional(Schema.Defect)
  }
) {
  override get message(): string {
    return `no lease for ${this.request} (${this.reason}): ${this.details}`
  }
}
