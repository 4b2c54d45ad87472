/**
 * The end of a lease, as an error: what fails because of it has it as its cause.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"

/**
 * How a lease ended.
 *
 * - `Expired`: its duration was over
 * - `Deleted`: the exporter, an administrator, or another program of the same client ended it
 * - `Transferred`: it belongs to another client now
 * - `Released`: this program released it
 *
 * @since 0.1.0
 * @category schemas
 */
export const LeaseEnding = Schema.Literal("Expired", "Deleted", "Transferred", "Released")

/**
 * @since 0.1.0
 * @category models
 */
export type LeaseEnding = typeof LeaseEnding.Type

/**
 * A lease is over. `at` is when the controller ended it, in whole seconds of its clock, or when this program noticed. `details` are
 * the controller's words.
 *
 * @since 0.1.0
 * @category errors
 */
export class LeaseEnded extends Schema.TaggedError<LeaseEnded>(
  "@effect-jumpstarter/core/LeaseEnded/LeaseEnded"
)("LeaseEnded", {
  lease: Schema.String,
  how: LeaseEnding,
  at: Schema.DateTimeUtc,
  details: Schema.String
}) {
  override get message(): string {
    return `the lease ${this.lease} ended at ${DateTime.formatIso(this.at)} (${this.how}): ${this.details}`
  }
}
