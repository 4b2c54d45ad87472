// What a lease fails with, besides the requests to the controller. Lease re-exports it.
import * as Schema from "effect/Schema"

/**
 * Why there is no lease, or not the one that was asked for.
 *
 * - `Unsatisfiable`: no exporter fits, or none that this client may lease; it would never get one
 * - `Invalid`: the controller cannot do what was asked for
 * - `WaitedTooLong`: it had no exporter within `waitAtMost`
 * - `NotFound`: there is no lease of this name
 * - `NotYours`: it belongs to another client
 * - `NotExtendable`: it has a fixed end
 * - `Ended`: it was over before it could be used
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
 * A lease that could not be had. `request` is what was asked for, and `details` are the controller's words, with what can be done.
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
    return `no lease of ${this.request} (${this.reason}): ${this.details}`
  }
}
