/**
 * The states of an exporter (`protocol.md` 9), which of them admit driver calls (4.2), and what waiting for one can fail
 * with.
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
 * What the message of a status begins with when a hook failed and the lease goes on all the same (`protocol.md` 9.2).
 *
 * @since 0.1.0
 * @category models
 */
export const hookWarningPrefix = "[HOOK_WARNING] "

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
}) {
  /** What a hook that failed has to say, when its failure did not keep the exporter from going on. */
  get warning(): Option.Option<string> {
    return this.message.startsWith(hookWarningPrefix)
      ? Option.some(this.message.slice(hookWarningPrefix.length))
      : Option.none()
  }

  /** For loggers: JSON has no integers as large as a version may be. */
  toJSON(): object {
    return {
      ...this,
      version: Option.getOrNull(Option.map(this.version, String)),
      previous: Option.getOrNull(this.previous)
    }
  }
}

/**
 * A status among those that were watched. `missed` counts the updates before it that were not seen: they came too fast for
 * the polling, or the consumer was too slow.
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
 * The hook that failed, if one did. The status that says so may be gone within microseconds, so an exporter that is
 * `OFFLINE` or `AVAILABLE` right after it counts too (`protocol.md` 9.2).
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
  /** What the exporter says about it. */
  details: Schema.String,
  /** What the hook wrote in this run, the last 256 lines of it, as far as somebody listened or the exporter still had them. */
  logs: Schema.Array(LogEntry)
}) {
  override get message(): string {
    const details = this.details === "" ? `the exporter is ${this.status}` : this.details
    const lines = this.logs.slice(-10).map(({ message }) => `\n  | ${message}`).join("")
    return `the ${this.hook} hook of the exporter at ${this.address} failed: ${details}${lines}`
  }
}

/**
 * The exporter did not come into an awaited status.
 *
 * - `Offline`: it went offline instead
 * - `Timeout`: it was not there in time
 * - `Unsupported`: it predates statuses, and counts as `LEASE_READY` for good
 * - `ConnectionLost`: it is there and does not answer any more, reconnecting was given up, or the connection was closed
 *
 * @since 0.1.0
 * @category errors
 */
export class StatusNotReached extends Schema.TaggedError<StatusNotReached>(
  "@effect-jumpstarter/core/ExporterStatus/StatusNotReached"
)("StatusNotReached", {
  address: Schema.String,
  /** Any of these was awaited; none when the status was only watched. */
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
 * - `NotLeased`: nothing was sent, because the connection is not taken for one of a lease, see
 *   `ExporterConnection.ConnectOptions`
 * - `ConnectionLost`: the connection was closed before there was an answer, or its policy has given up reconnecting
 * - `Failed`: the exporter answered with a failure, or with what does not decode
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
