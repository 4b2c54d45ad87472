// A line of an exporter's log, for people and as JSON.
import type * as LogEntry from "@effect-jumpstarter/core/LogEntry"
import * as Option from "effect/Option"
import type { Json } from "./output.ts"
import * as visible from "./visible.ts"

const timeOf = ({ timestamp }: LogEntry.LogEntry): Option.Option<string> =>
  Option.map(timestamp, ({ epochMillis }) => new Date(epochMillis).toISOString())

export const json = (event: LogEntry.LogEvent): Json =>
  event._tag === "LogGap"
    ? { gap: event.reason, dropped: Option.getOrNull(event.dropped) }
    : {
      time: Option.getOrNull(timeOf(event)),
      severity: event.severity,
      source: event.source,
      driverType: Option.getOrNull(event.driverType),
      operation: Option.getOrNull(event.operation),
      message: event.message,
      fields: event.fields,
      backlog: event.backlog === true
    }

export const text = (event: LogEntry.LogEvent): string => {
  if (event._tag === "LogGap") {
    const count = Option.match(event.dropped, { onNone: () => "lines", onSome: (count) => `${count} lines` })
    return `-- ${count} may be missing (${event.reason}) --`
  }
  const place = [event.driverType, event.operation].flatMap(Option.toArray).join(".")
  return visible.line([
    ...Option.toArray(timeOf(event)),
    event.severity.padEnd(8),
    event.source,
    place === "" ? event.message : `${place}: ${event.message}`
  ].join(" "))
}
