/**
 * A line of an exporter's log (`protocol.md` 8).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * Where a log line comes from: a driver, the output of a lease hook, or the exporter itself.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LogSource = Schema.Literal(
  "UNSPECIFIED",
  "DRIVER",
  "BEFORE_LEASE_HOOK",
  "AFTER_LEASE_HOOK",
  "SYSTEM"
)

/**
 * @since 0.1.0
 * @category models
 */
export type LogSource = typeof LogSource.Type

/**
 * The severities of the protocol. Python readers fail on any other spelling.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LogSeverity = Schema.Literal("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

/**
 * @since 0.1.0
 * @category models
 */
export type LogSeverity = typeof LogSeverity.Type

/**
 * One line of an exporter's log. A severity that the protocol does not define is read as `INFO`.
 *
 * @since 0.1.0
 * @category models
 */
export class LogEntry extends Schema.TaggedClass<LogEntry>("@effect-jumpstarter/core/LogEntry/LogEntry")("LogEntry", {
  severity: LogSeverity,
  message: Schema.String,
  source: LogSource,
  driverType: Schema.OptionFromSelf(Schema.String),
  operation: Schema.OptionFromSelf(Schema.String),
  timestamp: Schema.OptionFromSelf(Schema.DateTimeUtcFromSelf),
  fields: Schema.Record({ key: Schema.String, value: Schema.String }),
  /** Set on a line that the exporter wrote before this subscription began and had kept; see `LogStream`. */
  backlog: Schema.optional(Schema.Boolean)
}) {}

/**
 * Marks a place where log lines are missing: `dropped` lines when the reader was too slow, or an unknown number when the
 * subscription was interrupted.
 *
 * @since 0.1.0
 * @category models
 */
export class LogGap extends Schema.TaggedClass<LogGap>("@effect-jumpstarter/core/LogEntry/LogGap")("LogGap", {
  reason: Schema.Literal("slow reader", "interrupted"),
  dropped: Schema.OptionFromSelf(Schema.Number)
}) {}

/**
 * @since 0.1.0
 * @category models
 */
export type LogEvent = LogEntry | LogGap

const levels: Record<LogSeverity, LogLevel.LogLevel> = {
  DEBUG: LogLevel.Debug,
  INFO: LogLevel.Info,
  WARNING: LogLevel.Warning,
  ERROR: LogLevel.Error,
  CRITICAL: LogLevel.Fatal
}

/**
 * Returns Effect's log level for a severity.
 *
 * @since 0.1.0
 * @category combinators
 */
export const logLevel = (severity: LogSeverity): LogLevel.LogLevel => levels[severity]

/**
 * Returns the severity for one of Effect's log levels.
 *
 * @since 0.1.0
 * @category combinators
 */
export const severity = (level: LogLevel.LogLevel): LogSeverity =>
  level.ordinal <= LogLevel.Debug.ordinal
    ? "DEBUG"
    : level.ordinal <= LogLevel.Info.ordinal
    ? "INFO"
    : level.ordinal <= LogLevel.Warning.ordinal
    ? "WARNING"
    : level.ordinal <= LogLevel.Error.ordinal
    ? "ERROR"
    : "CRITICAL"

// The connection sets these annotations. Fields of a driver must not replace them.
const reserved: ReadonlyArray<string> = ["exporter", "source", "driver_type", "operation", "timestamp", "backlog"]

/**
 * Writes an event to Effect's logger. The severity becomes the log level. Source, driver type, operation, remote timestamp and
 * structured fields become annotations; a field with the name of another annotation, or named `exporter`, is left out. A line
 * of the backlog has the annotation `backlog`. The wire carries the type of the driver that wrote the line, but not its name.
 *
 * @since 0.1.0
 * @category combinators
 */
export const log = (event: LogEvent): Effect.Effect<void> => {
  if (event._tag === "LogGap") {
    const lines = Option.match(event.dropped, { onNone: () => "log lines", onSome: (count) => `${count} log lines` })
    return Effect.logWarning(`${lines} may be missing (${event.reason})`)
  }
  const fields = Object.entries(event.fields).filter(([name]) => !reserved.includes(name))
  const annotations: Record<string, string | true> = { ...Object.fromEntries(fields), source: event.source }
  if (Option.isSome(event.driverType)) annotations["driver_type"] = event.driverType.value
  if (Option.isSome(event.operation)) annotations["operation"] = event.operation.value
  if (Option.isSome(event.timestamp)) {
    annotations["timestamp"] = new Date(event.timestamp.value.epochMillis).toISOString()
  }
  if (event.backlog === true) annotations["backlog"] = true
  return Effect.annotateLogs(Effect.logWithLevel(logLevel(event.severity), event.message), annotations)
}
