// A connection's view of its exporter: the tree, the log, and the status (protocol.md 7 to 9).
import { describe } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import type { LogStreamOptions } from "../../src/client/LogStream.ts"
import type { DriverNotFound } from "../../src/protocol/DriverTree.ts"
import type { ExporterStatus } from "../../src/protocol/ExporterStatus.ts"
import type { LogEntry } from "../../src/protocol/LogEntry.ts"
import { assertError, call, driver, fails, items, siteOf, test } from "./harness.ts"
import * as peers from "./peer.ts"

const connection = ExporterConnection.ExporterConnection

const severities = [
  ["DEBUG", LogLevel.Debug],
  ["INFO", LogLevel.Info],
  ["WARNING", LogLevel.Warning],
  ["ERROR", LogLevel.Error],
  ["CRITICAL", LogLevel.Fatal]
] as const

/** Sets the status until the test ends, because other tests of a shared exporter need it ready. */
const setStatus = (status: ExporterStatus, message?: string) =>
  Effect.flatMap(
    peers.Control,
    (control) => Effect.acquireRelease(control.setStatus(status, message), () => control.setStatus("LEASE_READY"))
  )

export const session = (peer: peers.Peer): void => {
  const check = test(peer)

  describe("the tree", () => {
    check(
      "has labels, descriptions and names",
      Effect.gen(function*() {
        const { labels, motd, root } = yield* connection
        const { unlabelled } = peer.quirks
        deepStrictEqual(labels, unlabelled ? {} : { "jumpstarter.dev/name": "interop" })
        strictEqual(motd, "")
        deepStrictEqual([root.name, root.path], ["", []])
        strictEqual(root.labels["interop.example/board"], unlabelled ? undefined : "probe")
        deepStrictEqual(root.description, Option.some("Interop board"))
        const power = yield* driver("power")
        deepStrictEqual(power.description, Option.some("Main power"))
        deepStrictEqual(power.methodsDescription, { on: "Switch the board on", off: "Switch the board off" })
        strictEqual(power.labels["jumpstarter.dev/client"], "jumpstarter_driver_power.client.PowerClient")
        strictEqual((yield* driver("probe")).labels["jumpstarter.dev/client"], "interop.client.ProbeClient")
      })
    )

    check(
      "is walked by name, and an alias is the same driver at another path",
      Effect.gen(function*() {
        const { root } = yield* connection
        const nested = yield* driver("nested")
        const inner = yield* driver("nested.inner.power")
        const alias = yield* driver("alias")
        deepStrictEqual(inner.path, ["nested", "inner", "power"])
        strictEqual((yield* root.child(["nested", "inner", "power"])).uuid, inner.uuid)
        strictEqual((yield* nested.child("inner.power")).uuid, inner.uuid)
        strictEqual(inner.labels["interop.example/depth"], "2")
        deepStrictEqual([alias.name, alias.uuid], ["alias", inner.uuid])
        const error = yield* Effect.flip(alias.call("missing"))
        assertError(error, { driver: "alias", uuid: alias.uuid, method: "missing", kind: "call" }, {
          tag: "MethodNotImplemented",
          code: "NOT_FOUND",
          origin: "driver"
        })
      })
    )

    check(
      "lists the existing drivers when one does not exist",
      Effect.gen(function*() {
        const { driver } = yield* connection
        const error: DriverNotFound = yield* Effect.flip(driver("nested.outer"))
        strictEqual(error.path, "nested.outer")
        for (const path of ["power", "nested.inner.power", "alias", "probe"]) {
          assertTrue(error.available.includes(path), path)
        }
      })
    )
  })

  describe("the log", () => {
    check(
      "arrives with severity, source, and the time",
      Effect.gen(function*() {
        const { logs } = yield* connection
        const from = "the log of " + crypto.randomUUID()
        const reading = yield* Effect.fork(Stream.runCollect(
          Stream.take(
            Stream.filter(logs, (event): event is LogEntry => event._tag === "LogEntry" && event.message === from),
            severities.length
          )
        ))
        for (const [severity] of severities) yield* call.log(severity, from)
        const entries = Chunk.toReadonlyArray(yield* Effect.timeout(Fiber.join(reading), "20 seconds"))
        deepStrictEqual(
          entries.map(({ severity, source }) => [severity, source]),
          severities.map(([severity]) => [severity, "DRIVER"])
        )
        for (const { timestamp } of entries) strictEqual(Option.isSome(timestamp), !peer.quirks.sparseLog)
      })
    )

    check(
      "arrives in Effect's logger, with annotations",
      Effect.gen(function*() {
        const from = "the log of " + crypto.randomUUID()
        const seen: Array<{ readonly level: LogLevel.LogLevel; readonly annotations: Record<string, unknown> }> = []
        const logger = Logger.make<unknown, void>(({ annotations, logLevel, message }) => {
          if (String(message) !== from) return
          seen.push({ level: logLevel, annotations: Object.fromEntries(HashMap.toEntries(annotations)) })
        })
        const { address, logStream } = yield* connection
        yield* Effect.gen(function*() {
          yield* logStream({ minimumLogLevel: LogLevel.Warning, sources: ["DRIVER"] })
          for (const [severity] of severities) yield* call.log(severity, from)
          yield* Effect.sync(() => seen.length).pipe(
            Effect.repeat({ until: (count) => count >= 3, schedule: Schedule.spaced("10 millis") }),
            Effect.timeout("20 seconds")
          )
        }).pipe(
          Effect.scoped,
          Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
          Logger.withMinimumLogLevel(LogLevel.All)
        )
        deepStrictEqual(seen.map(({ level }) => level), severities.slice(2).map(([, level]) => level))
        for (const { annotations } of seen) {
          strictEqual(annotations["source"], "DRIVER")
          strictEqual(annotations["exporter"], address)
          strictEqual(typeof annotations["timestamp"], peer.quirks.sparseLog ? "undefined" : "string")
        }
      })
    )

    const kept = (options: LogStreamOptions, use: (from: string) => Effect.Effect<unknown, unknown, peers.Session>) =>
      Effect.gen(function*() {
        const from = "the log of " + crypto.randomUUID()
        const seen: Array<string> = []
        const logger = Logger.make<unknown, void>(({ annotations, message }) => {
          const text = String(message)
          if (!text.endsWith(from)) return
          seen.push(text.replace(` ${from}`, "") + (HashMap.has(annotations, "backlog") ? " (backlog)" : ""))
        })
        const { logStream } = yield* connection
        yield* call.log("INFO", `early ${from}`)
        yield* Effect.exit(Effect.zipRight(logStream(options), use(from))).pipe(
          Effect.scoped,
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
        return seen
      })

    check(
      "has every line of the ended calls when the scope closes, and marks earlier lines",
      Effect.gen(function*() {
        for (let round = 0; round < 5; round++) {
          const seen = yield* kept({}, (from) => call.log("INFO", `late ${from}`))
          if (!peer.quirks.competingLog) {
            deepStrictEqual(seen, ["early (backlog)", "late"])
            continue
          }
          deepStrictEqual(seen.map((line) => line.replace(" (backlog)", "")), ["early", "late"].slice(-seen.length))
        }
      })
    )

    check(
      "has them also when the scope closes because a call failed, and leaves earlier lines out",
      Effect.gen(function*() {
        const seen = yield* kept(
          { backlog: false },
          (from) => Effect.zipRight(call.log("INFO", `late ${from}`), call.fail("timeout", "no"))
        )
        deepStrictEqual(seen, ["late"])
      })
    )

    check(
      "has lines about every operation",
      Effect.gen(function*() {
        const { logs } = yield* connection
        const reading = yield* Effect.fork(Stream.runHead(Stream.filter(
          logs,
          (event): event is LogEntry =>
            event._tag === "LogEntry" && event.message === "Operation failed" &&
            Option.contains(event.operation, "fail")
        )))
        yield* Effect.flip(call.fail("timeout", "no"))
        if (peer.quirks.sparseLog) {
          strictEqual(Option.isNone(yield* Effect.timeoutOption(Fiber.join(reading), "300 millis")), true)
          return
        }
        const entry = Option.getOrThrow(yield* Effect.timeout(Fiber.join(reading), "20 seconds"))
        strictEqual(entry.severity, "WARNING")
        deepStrictEqual([entry.fields["result"], entry.fields["error_type"]], ["failure", "timeout"])
      })
    )
  })

  describe("the status", () => {
    check(
      "has its message, its predecessor, and a version that counts up",
      Effect.gen(function*() {
        const { status } = yield* connection
        const before = yield* status
        strictEqual(before.status, "LEASE_READY")
        yield* setStatus("AFTER_LEASE_HOOK", "sweeping")
        const after = yield* status
        deepStrictEqual([after.status, after.message], ["AFTER_LEASE_HOOK", "sweeping"])
        deepStrictEqual(after.previous, Option.some("LEASE_READY"))
        strictEqual(Option.getOrThrow(after.version) - Option.getOrThrow(before.version), 1n)
      })
    )

    check(
      "forbids calls until the exporter is ready again",
      Effect.gen(function*() {
        const { status } = yield* connection
        yield* Effect.scoped(Effect.gen(function*() {
          yield* setStatus("AVAILABLE", "come back later")
          // The connection still knows the old status, so the exporter decides, if it has a status gate.
          if (peer.quirks.statusGate) {
            yield* fails(call.echo(1), siteOf("echo", "call"), {
              tag: "ExporterNotReady",
              code: "FAILED_PRECONDITION",
              origin: "driver",
              details: "Exporter not ready for driver calls (status: AVAILABLE)"
            })
          } else {
            deepStrictEqual(yield* call.echo(1), [1])
          }
          strictEqual((yield* status).status, "AVAILABLE")
          const expected = {
            tag: "ExporterNotReady",
            code: "FAILED_PRECONDITION",
            origin: "client",
            details: "the exporter's status is AVAILABLE: come back later"
          } as const
          yield* fails(call.echo(1), siteOf("echo", "call"), expected)
          yield* fails(Stream.runDrain(items((probe) => probe.count(1))), siteOf("count", "streamingCall"), expected)
        }))
        deepStrictEqual(yield* call.echo(2), [2])
      })
    )

    check(
      "hooks may call drivers",
      Effect.gen(function*() {
        const { status } = yield* connection
        for (const hook of ["BEFORE_LEASE_HOOK", "AFTER_LEASE_HOOK"] as const) {
          yield* setStatus(hook)
          strictEqual((yield* status).status, hook)
          deepStrictEqual(yield* call.echo(hook), [hook])
        }
      })
    )

    check(
      "can be awaited",
      Effect.gen(function*() {
        const { awaitReady } = yield* connection
        const control = yield* peers.Control
        yield* setStatus("BEFORE_LEASE_HOOK", "preparing")
        const waiting = yield* Effect.fork(awaitReady)
        strictEqual(Option.isNone(yield* Fiber.poll(waiting)), true)
        yield* control.setStatus("LEASE_READY", "go")
        const ready = yield* Effect.timeout(Fiber.join(waiting), "20 seconds")
        deepStrictEqual([ready.status, ready.message], ["LEASE_READY", "go"])
      })
    )

    for (
      const [status, failure] of [
        ["BEFORE_LEASE_HOOK_FAILED", "the beforeLease hook of the exporter at ADDRESS failed"],
        ["OFFLINE", "the exporter at ADDRESS did not become LEASE_READY (Offline)"]
      ] as const
    ) {
      check(
        `ends a wait after ${status}`,
        Effect.gen(function*() {
          const { address, awaitReady } = yield* connection
          yield* setStatus(status, "it exited with code 1")
          const error = yield* Effect.flip(awaitReady)
          strictEqual(error.message, `${failure.replace("ADDRESS", address)}: it exited with code 1`)
        })
      )
    }
  })
}
