import { LogSource as WireSource } from "@effect-jumpstarter/proto/jumpstarter/v1/common"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, HashMap, Logger, LogLevel, Option } from "effect"
import * as logCodec from "../../src/protocol/logCodec.ts"
import * as LogEntry from "../../src/protocol/LogEntry.ts"

const entry = (more: Partial<ConstructorParameters<typeof LogEntry.LogEntry>[0]> = {}): LogEntry.LogEntry =>
  new LogEntry.LogEntry({
    severity: "INFO",
    message: "hello",
    source: "DRIVER",
    driverType: Option.none(),
    operation: Option.none(),
    timestamp: Option.none(),
    fields: {},
    ...more
  })

// Collects what reaches Effect's logger.
const logged = (event: LogEntry.LogEvent) =>
  Effect.gen(function*() {
    const lines: Array<{ level: string; message: unknown; annotations: Record<string, unknown> }> = []
    const logger = Logger.make<unknown, void>(({ annotations, logLevel, message }) => {
      lines.push({ level: logLevel.label, message, annotations: Object.fromEntries(HashMap.toEntries(annotations)) })
    })
    yield* LogEntry.log(event).pipe(
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(LogLevel.All)
    )
    return lines
  })

describe("LogEntry", () => {
  it.each<[LogEntry.LogSeverity, LogLevel.LogLevel]>([
    ["DEBUG", LogLevel.Debug],
    ["INFO", LogLevel.Info],
    ["WARNING", LogLevel.Warning],
    ["ERROR", LogLevel.Error],
    ["CRITICAL", LogLevel.Fatal]
  ])("%s is a level, and back", (severity, level) => {
    assert.strictEqual(LogEntry.logLevel(severity), level)
    assert.strictEqual(LogEntry.severity(level), severity)
  })

  it.each<[LogLevel.LogLevel, LogEntry.LogSeverity]>([
    [LogLevel.All, "DEBUG"],
    [LogLevel.Trace, "DEBUG"],
    [LogLevel.None, "CRITICAL"]
  ])("a level without a severity of its own gets the nearest: %o", (level, severity) => {
    assert.strictEqual(LogEntry.severity(level), severity)
  })

  describe("log", () => {
    it.effect("annotates the line with everything in the entry", () =>
      Effect.gen(function*() {
        const lines = yield* logged(entry({
          severity: "WARNING",
          message: "Operation failed",
          driverType: Option.some("power"),
          operation: Option.some("on"),
          timestamp: Option.some(DateTime.unsafeMake("2024-01-02T03:04:05.678Z")),
          fields: { result: "failure", error_type: "timeout" }
        }))
        assert.deepStrictEqual(lines, [{
          level: "WARN",
          message: ["Operation failed"],
          annotations: {
            source: "DRIVER",
            driver_type: "power",
            operation: "on",
            timestamp: "2024-01-02T03:04:05.678Z",
            result: "failure",
            error_type: "timeout"
          }
        }])
      }))

    it.effect("annotates only lines of the backlog as such, whatever their fields say", () =>
      Effect.gen(function*() {
        const [[old], [other]] = [
          yield* logged(entry({ backlog: true })),
          yield* logged(entry({ fields: { backlog: "true" } }))
        ]
        assert.deepStrictEqual([old?.annotations, other?.annotations], [
          { source: "DRIVER", backlog: true },
          { source: "DRIVER" }
        ])
      }))

    it.effect("adds nothing that is not in the entry", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* logged(entry({ source: "SYSTEM" })), [
          { level: "INFO", message: ["hello"], annotations: { source: "SYSTEM" } }
        ])
      }))

    it.effect("does not let a structured field replace another annotation", () =>
      Effect.gen(function*() {
        const pretences = ["exporter", "source", "driver_type", "operation", "timestamp"]
        const lines = yield* logged(entry({ fields: Object.fromEntries(pretences.map((name) => [name, "pretended"])) }))
        assert.deepStrictEqual(lines[0]?.annotations, { source: "DRIVER" })
      }))

    it.effect("reports missing lines", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* logged(new LogEntry.LogGap({ reason: "slow reader", dropped: Option.some(7) })),
          [{ level: "WARN", message: ["7 log lines may be missing (slow reader)"], annotations: {} }]
        )
        assert.deepStrictEqual(
          yield* logged(new LogEntry.LogGap({ reason: "interrupted", dropped: Option.none() })),
          [{ level: "WARN", message: ["log lines may be missing (interrupted)"], annotations: {} }]
        )
      }))
  })

  describe("on the wire", () => {
    it("keeps everything", () => {
      const full = entry({
        severity: "CRITICAL",
        source: "AFTER_LEASE_HOOK",
        driverType: Option.some("power"),
        operation: Option.some("on"),
        timestamp: Option.some(DateTime.unsafeMake("1969-12-31T23:59:59.250Z")),
        fields: { a: "b" }
      })
      assert.deepStrictEqual(logCodec.fromProto(logCodec.toProto(full)), full)
      assert.deepStrictEqual(logCodec.fromProto(logCodec.toProto(entry())), entry())
    })

    it("writes severities in upper case, without a uuid, and sources by number", () => {
      const { severity, source, uuid } = logCodec.toProto(entry({ severity: "WARNING", source: "SYSTEM" }))
      assert.deepStrictEqual({ severity, source, uuid }, {
        severity: "WARNING",
        source: WireSource.LOG_SOURCE_SYSTEM,
        uuid: ""
      })
    })

    it.each(LogEntry.LogSource.literals)("%s has the number of the protocol", (source) => {
      assert.strictEqual(logCodec.toProto(entry({ source })).source, WireSource[`LOG_SOURCE_${source}`])
    })

    it.each<[string, LogEntry.LogSeverity]>([
      ["warning", "WARNING"],
      ["", "INFO"],
      ["NOTICE", "INFO"]
    ])("reads the severity %o as %s", (severity, expected) => {
      assert.strictEqual(logCodec.fromProto({ ...logCodec.toProto(entry()), severity }).severity, expected)
    })

    it("reads an unknown source, and a missing one, as unspecified", () => {
      const proto = logCodec.toProto(entry())
      assert.strictEqual(logCodec.fromProto({ ...proto, source: 99 as WireSource }).source, "UNSPECIFIED")
      assert.strictEqual(logCodec.fromProto({ ...proto, source: undefined }).source, "UNSPECIFIED")
    })

    it("ignores a timestamp out of range", () => {
      const proto = logCodec.toProto(entry())
      const timestamp = { seconds: 9_000_000_000_000_000n, nanos: 0 }
      assert.deepStrictEqual(logCodec.fromProto({ ...proto, timestamp }).timestamp, Option.none())
    })
  })
})
