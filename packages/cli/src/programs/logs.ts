// Follows the log of an exporter.
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import * as LogEntry from "@effect-jumpstarter/core/LogEntry"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as logLine from "../logLine.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as target from "../target.ts"

export interface Arguments {
  readonly target: Target
  readonly json: boolean
  readonly level: Option.Option<LogEntry.LogSeverity>
  readonly source: Option.Option<LogEntry.LogSource>
  readonly newOnly: boolean
  readonly lines: Option.Option<number>
  readonly noFollow: boolean
}

// An exporter sends the lines that it has kept at once.
const backlogTime = "1 second"

const isShown = ({ level, newOnly, source }: Arguments) => (event: LogEntry.LogEvent): boolean =>
  event._tag === "LogGap" ||
  (!newOnly || event.backlog !== true) &&
    Option.match(source, { onNone: () => true, onSome: (source) => event.source === source }) &&
    Option.match(level, {
      onNone: () => true,
      onSome: (level) => LogLevel.greaterThanEqual(LogEntry.logLevel(event.severity), LogEntry.logLevel(level))
    })

export const run = (args: Arguments) =>
  Effect.gen(function*() {
    const { logs } = yield* ExporterConnection.ExporterConnection
    const events = Stream.filter(args.noFollow ? Stream.interruptAfter(logs, backlogTime) : logs, isShown(args))
    yield* (Option.isNone(args.lines) ? events : Stream.take(events, args.lines.value)).pipe(
      Stream.runForEach((event) => output.item(args.json, logLine.json(event), () => logLine.text(event)))
    )
  }).pipe(Effect.provide(target.layer(args.target)))
