/**
 * The statuses of an exporter (`protocol.md` 9), which of them admit driver calls (4.2), and the errors of waiting for one.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { LogEntry } from "./LogEntry.ts"

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
 * Returns the status with this number on the wire, and `UNSPECIFIED` for numbers that only newer exporters use (`protocol.md`
 * 9.1).
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromNumber = (number: number): ExporterStatus => ExporterStatus.literals[number] ?? "UNSPECIFIED"

/**
 * Returns the number of a status on the wire.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toNumber = (status: ExporterStatus): number => ExporterStatus.literals.indexOf(status)

/**
 * Returns whether an exporter in this status accepts driver calls. A status that this version does not know gets the benefit of
 * the doubt: the exporter refuses the call itself if it must.
 *
 * @since 0.1.0
 * @category guards
 */
export const admitsDriverCalls = (status: ExporterStatus): boolean =>
  status === "LEASE_READY" || status === "BEFORE_LEASE_HOOK" || status === "AFTER_LEASE_HOOK" ||
  status === "UNSPECIFIED"

/**
 * The prefix of a status message when a hook failed but the lease continues (`protocol.md` 9.2).
 *
 * @since 0.1.0
 * @category models
 */
export const hookWarningPrefix = "[HOOK_WARNING] "

/**
 * One answer of `GetStatus`. `version` counts the status updates of a serving instance, so a step of more than one means that
 * updates were missed. `version` is absent when the exporter predates `GetStatus`.
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
}) {
  /** The message of a failed hook, when the exporter continued despite the failure. */
  get warning(): Option.Option<string> {
    return this.message.startsWith(hookWarningPrefix)
      ? Option.some(this.message.slice(hookWarningPrefix.length))
      : Option.none()
  }

  /** For loggers. A version may be too large for a JSON number, so it becomes a string. */
  toJSON(): object {
    return {
      ...this,
      version: Option.getOrNull(Option.map(this.version, String)),
      previous: Option.getOrNull(this.previous)
    }
  }
}

/**
 * A status seen while watching. `missed` counts the updates before it that were not seen, because they came faster than the
 * polling or because the consumer was too slow.
 *
 * @since 0.1.0
 * @category models
 */
export class StatusChange extends StatusReport.extend<StatusChange>(
  "@effect-jumpstarter/core/ExporterStatus/StatusChange"
)({ missed: Schema.Number }) {}

/**
 * The hooks around a lease.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LeaseHook = Schema.Literal("beforeLease", "afterLease")

/**
 * @since 0.1.0
 * @category models
 */
export type LeaseHook = typeof LeaseHook.Type

const failures: Partial<Record<ExporterStatus, LeaseHook>> = {
  BEFORE_LEASE_HOOK_FAILED: "beforeLease",
  AFTER_LEASE_HOOK_FAILED: "afterLease"
}

/**
 * Returns the hook that failed, if one did. The status of the failure may last only microseconds, so a report whose `previous`
 * status is the failure counts too when the exporter is now `OFFLINE` or `AVAILABLE` (`protocol.md` 9.2).
 *
 * @since 0.1.0
 * @category combinators
 */
export const failedHook = ({ previous, status }: StatusReport): Option.Option<LeaseHook> =>
  Option.orElse(
    Option.fromNullable(failures[status]),
    () =>
      status === "OFFLINE" || status === "AVAILABLE"
        ? Option.flatMapNullable(previous, (before) => failures[before])
        : Option.none()
  )

/**
 * A hook around the lease failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class HookFailed extends Schema.TaggedError<HookFailed>(
  "@effect-jumpstarter/core/ExporterStatus/HookFailed"
)("HookFailed", {
  address: Schema.String,
  hook: LeaseHook,
  status: ExporterStatus,
  /** What the exporter says about the failure. */
  details: Schema.String,
  /**
   * The last 256 lines that the hook wrote in this run, as far as a log subscription received them or the exporter still had
   * them.
   */
  logs: Schema.Array(LogEntry)
}) {
  override get message(): string {
    const details = this.details === "" ? `the exporter is ${this.status}` : this.details
    const lines = this.logs.slice(-10).map(({ message }) => `\n  | ${message}`).join("")
    return `the ${this.hook} hook of the exporter at ${this.address} failed: ${details}${lines}`
  }
}

/**
 * The exporter did not reach an awaited status.
 *
 * - `Offline`: the exporter went offline instead
 * - `Timeout`: the exporter did not reach the status in time
 * - `Unsupported`: the exporter predates statuses, and always counts as `LEASE_READY`
 * - `ConnectionLost`: the exporter no longer responds, reconnecting was given up, or the connection was closed
 *
 * @since 0.1.0
 * @category errors
 */
export class StatusNotReached extends Schema.TaggedError<StatusNotReached>(
  "@effect-jumpstarter/core/ExporterStatus/StatusNotReached"
)("StatusNotReached", {
  address: Schema.String,
  /** The statuses that were awaited; empty when the status was only watched. */
  awaited: Schema.Array(ExporterStatus),
  reason: Schema.Literal("Offline", "Timeout", "Unsupported", "ConnectionLost"),
  details: Schema.String
}) {
  override get message(): string {
    const what = this.awaited.length === 0
      ? "can no longer be watched"
      : `did not become ${this.awaited.join(" or ")}`
    const details = this.details === "" ? "it gave no reason" : this.details
    return `the exporter at ${this.address} ${what} (${this.reason}): ${details}`
  }
}

/**
 * The session was not ended.
 *
 * - `NotLeased`: nothing was sent, because the connection is not treated as part of a lease, see
 *   `ExporterConnection.ConnectOptions`
 * - `ConnectionLost`: the connection was closed before an answer arrived, or its policy gave up reconnecting
 * - `Failed`: the exporter reported a failure, or its answer does not decode
 *
 * @since 0.1.0
 * @category errors
 */
export class EndSessionError extends Schema.TaggedError<EndSessionError>(
  "@effect-jumpstarter/core/ExporterStatus/EndSessionError"
)("EndSessionError", {
  address: Schema.String,
  reason: Schema.Literal("NotLeased", "ConnectionLost", "Failed"),
  details: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `the session with the exporter at ${this.address} was not ended (${this.reason}): ${this.details}`
  }
}
