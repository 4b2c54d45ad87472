// Converts LogEntry to and from the wire (protocol.md 8).
import { type LogStreamResponse } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import { LogEntry, LogSeverity, LogSource } from "./LogEntry.ts"

export const fromProto = (response: LogStreamResponse): LogEntry =>
  new LogEntry({
    severity: LogSeverity.literals.find((severity) => severity === response.severity.toUpperCase()) ?? "INFO",
    message: response.message,
    source: LogSource.literals[response.source ?? 0] ?? "UNSPECIFIED",
    driverType: Option.fromNullable(response.driverType),
    operation: Option.fromNullable(response.operation),
    timestamp: Option.flatMap(
      Option.fromNullable(response.timestamp),
      ({ nanos, seconds }) => DateTime.make(Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000))
    ),
    fields: response.structuredFields
  })

export const toProto = (entry: LogEntry): LogStreamResponse => ({
  uuid: "",
  severity: entry.severity,
  message: entry.message,
  source: LogSource.literals.indexOf(entry.source),
  driverType: Option.getOrUndefined(entry.driverType),
  operation: Option.getOrUndefined(entry.operation),
  timestamp: Option.getOrUndefined(
    Option.map(entry.timestamp, ({ epochMillis }) => ({
      seconds: BigInt(Math.floor(epochMillis / 1_000)),
      nanos: (epochMillis - Math.floor(epochMillis / 1_000) * 1_000) * 1_000_000
    }))
  ),
  structuredFields: entry.fields
})
