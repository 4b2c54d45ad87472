/**
 * The states of an exporter (`protocol.md` 9) and which of them admit driver calls (4.2).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * @since 0.1.0
 * @category schemas
 */
export const ExporterStatus = Schema.Literal(
  "UNSPECIFIED",
  "OFFLINE",
  "AVAILABLE",
  "BEFORE_LEASE_HOOK",
  "LEASE_READY",
  "AFTER_LEASE_HOOK",
  "BEFORE_LEASE_HOOK_FAILED",
  "AFTER_LEASE_HOOK_FAILED"
)

/**
 * @since 0.1.0
 * @category models
 */
export type ExporterStatus = typeof ExporterStatus.Type

/**
 * The status with this number on the wire; `UNSPECIFIED` for numbers a newer exporter may use (`protocol.md` 9.1).
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromNumber = (number: number): ExporterStatus => ExporterStatus.literals[number] ?? "UNSPECIFIED"

/**
 * The number a status travels as.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toNumber = (status: ExporterStatus): number => ExporterStatus.literals.indexOf(status)

/**
 * Whether an exporter in this status accepts driver calls. A status this version does not know is given the benefit of
 * the doubt: the exporter itself will refuse the call if it must.
 *
 * @since 0.1.0
 * @category guards
 */
export const admitsDriverCalls = (status: ExporterStatus): boolean =>
  status === "LEASE_READY" || status === "BEFORE_LEASE_HOOK" || status === "AFTER_LEASE_HOOK" ||
  status === "UNSPECIFIED"

/**
 * One answer of `GetStatus`. `version` counts the status updates of a serving instance, so a step of more than one
 * means that transitions were missed. It is absent when the exporter predates `GetStatus`.
 *
 * @since 0.1.0
 * @category models
 */
export class StatusReport extends Schema.Class<StatusReport>(
  "@effect-jumpstarter/core/ExporterStatus/StatusReport"
)({
  status: ExporterStatus,
  message: Schema.String,
  version: Schema.OptionFromSelf(Schema.BigIntFromSelf),
  previous: Schema.OptionFromSelf(ExporterStatus)
}) {}
