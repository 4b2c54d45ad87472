import { ExporterStatus as Wire } from "@effect-jumpstarter/proto/jumpstarter/v1/common"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as ExporterStatus from "../../src/protocol/ExporterStatus.ts"
import * as LogEntry from "../../src/protocol/LogEntry.ts"

const statuses = ExporterStatus.ExporterStatus.literals

describe("ExporterStatus", () => {
  it.each(statuses)("%s has the number of the protocol", (status) => {
    assert.strictEqual(ExporterStatus.toNumber(status), Wire[`EXPORTER_STATUS_${status}`])
    assert.strictEqual(ExporterStatus.fromNumber(Wire[`EXPORTER_STATUS_${status}`]), status)
  })

  it.each([-1, 8, 1_000, 0.5, NaN])("takes %d, which no version defines yet, for unspecified", (number) => {
    assert.strictEqual(ExporterStatus.fromNumber(number), "UNSPECIFIED")
  })

  it("admits driver calls while leased, during hooks, and when in doubt", () => {
    assert.deepStrictEqual(
      statuses.filter(ExporterStatus.admitsDriverCalls),
      ["UNSPECIFIED", "BEFORE_LEASE_HOOK", "LEASE_READY", "AFTER_LEASE_HOOK"]
    )
  })

  it.effect("can be logged with its full version", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const change = new ExporterStatus.StatusChange({
        status: "LEASE_READY",
        message: "",
        version: Option.some(2n ** 60n),
        previous: Option.none(),
        missed: 1
      })
      for (const logger of [Logger.jsonLogger, Logger.logfmtLogger]) {
        const written = Logger.map(logger, (line) => void lines.push(line))
        yield* Effect.log(change).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, written)))
      }
      assert.strictEqual(lines.length, 2)
      for (const line of lines) assert.match(line, /version[^,]*"1152921504606846976\\?"/)
      assert.deepStrictEqual(JSON.parse(JSON.stringify(change)), {
        status: "LEASE_READY",
        message: "",
        version: "1152921504606846976",
        previous: null,
        missed: 1
      })
    }))

  const report = (
    status: ExporterStatus.ExporterStatus,
    options: { readonly previous?: ExporterStatus.ExporterStatus; readonly message?: string } = {}
  ) =>
    new ExporterStatus.StatusReport({
      status,
      message: options.message ?? "",
      version: Option.none(),
      previous: Option.fromNullable(options.previous)
    })

  it("recognizes a failed hook by the status, or by the previous status when the failure has passed", () => {
    const failed = ["BEFORE_LEASE_HOOK_FAILED", "AFTER_LEASE_HOOK_FAILED"] as const
    for (const status of statuses) {
      for (const previous of statuses) {
        const telling = status === "OFFLINE" || status === "AVAILABLE" ? previous : status
        const expected = failed.find((failure) => failure === telling)
        assert.deepStrictEqual(
          ExporterStatus.failedHook(report(status, { previous })),
          Option.map(
            Option.fromNullable(expected),
            (status) => status === "BEFORE_LEASE_HOOK_FAILED" ? "beforeLease" : "afterLease"
          )
        )
      }
    }
  })

  it("returns the warning of a hook without its prefix", () => {
    assert.deepStrictEqual(report("LEASE_READY", { message: "[HOOK_WARNING] careful" }).warning, Option.some("careful"))
    assert.deepStrictEqual(report("LEASE_READY", { message: "all is well" }).warning, Option.none())
  })

  const line = (message: string) =>
    new LogEntry.LogEntry({
      severity: "INFO",
      message,
      source: "BEFORE_LEASE_HOOK",
      driverType: Option.none(),
      operation: Option.none(),
      timestamp: Option.some(DateTime.unsafeMake(0)),
      fields: { a: "b" }
    })

  const failure = (lines: number, details: string) =>
    new ExporterStatus.HookFailed({
      address: "bench",
      hook: "beforeLease",
      status: "BEFORE_LEASE_HOOK_FAILED",
      details,
      logs: Array.from({ length: lines }, (_, index) => line(`${index}`))
    })

  it("shows the last ten lines of a failed hook", () => {
    assert.strictEqual(
      failure(12, "it exited with code 3").message,
      "the beforeLease hook of the exporter at bench failed: it exited with code 3" +
        Array.from({ length: 10 }, (_, index) => `\n  | ${index + 2}`).join("")
    )
    assert.strictEqual(
      failure(0, "").message,
      "the beforeLease hook of the exporter at bench failed: the exporter is BEFORE_LEASE_HOOK_FAILED"
    )
  })
})
