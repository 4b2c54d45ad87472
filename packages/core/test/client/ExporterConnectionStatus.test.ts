// The exporter's status: watching it, awaiting it, and ending the session (protocol.md 9).
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import type { StatusChange } from "../../src/protocol/ExporterStatus.ts"
import * as bench from "../support/bench.ts"

/** A consumer of the status, and what it has seen so far. */
const watch = (connection: ExporterConnection.Connection) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const show = ({ missed, status }: StatusChange) => missed === 0 ? status : `${status}, missed ${missed}`
    const fiber = yield* Effect.fork(
      Stream.runForEach(connection.statusChanges, (change) => Effect.sync(() => seen.push(show(change))))
    )
    yield* bench.settle
    return { fiber, seen }
  })

const adjust = (duration: Parameters<typeof TestClock.adjust>[0]) =>
  Effect.zipRight(TestClock.adjust(duration), bench.settle)

/** How many times the status is requested while some time passes. */
const asked = (wire: { readonly begun: (method: string) => number }, duration: Parameters<typeof adjust>[0]) =>
  Effect.suspend(() => {
    const before = wire.begun("GetStatus")
    return Effect.map(adjust(duration), () => wire.begun("GetStatus") - before)
  })

describe("watching the status", () => {
  it.scoped("begins with the current status, followed by each change", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      const { seen } = yield* watch(connection)
      deepStrictEqual(seen, ["LEASE_READY"])
      yield* exporter.setStatus("AFTER_LEASE_HOOK")
      yield* adjust("5 seconds")
      yield* exporter.setStatus("AVAILABLE")
      yield* adjust("300 millis")
      deepStrictEqual(seen, ["LEASE_READY", "AFTER_LEASE_HOOK", "AVAILABLE"])
    }))

  it.scoped("begins with a new request, not with a status from an hour ago", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      yield* exporter.setStatus("AVAILABLE")
      yield* TestClock.adjust("1 hour")
      deepStrictEqual((yield* watch(connection)).seen, ["AVAILABLE"])
    }))

  it.scoped("counts the missed statuses, in sequence and across a restart", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      const { seen } = yield* watch(connection)
      for (const status of ["AFTER_LEASE_HOOK", "AVAILABLE", "BEFORE_LEASE_HOOK"] as const) {
        yield* exporter.setStatus(status)
      }
      yield* adjust("5 seconds")
      deepStrictEqual(seen, ["LEASE_READY", "BEFORE_LEASE_HOOK, missed 2"])
      exporter.answer("GetStatus", bench.statusAnswer("LEASE_READY", { version: 2n }))
      yield* adjust("300 millis")
      deepStrictEqual(seen.slice(2), ["LEASE_READY, missed 2"])
    }))

  it.scoped("also reports an update to the same status", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      const { seen } = yield* watch(connection)
      yield* exporter.setStatus("LEASE_READY")
      yield* adjust("5 seconds")
      deepStrictEqual(seen, ["LEASE_READY", "LEASE_READY"])
    }))

  it.scoped("tells a slow consumer how much it missed", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make({ statusPolling: { idle: "1 seconds", watched: "1 seconds" } })
      const pull = yield* Stream.toPull(connection.statusChanges)
      yield* pull
      for (let update = 0; update < 100; update++) {
        yield* exporter.setStatus("LEASE_READY")
        yield* adjust("1 seconds")
      }
      const changes = Array.from(yield* pull)
      deepStrictEqual([changes.length, changes[0]?.missed, changes[1]?.missed], [64, 36, 0])
    }))

  it.scoped("is shared by all consumers, and ends with the last", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make({}, { status: "BEFORE_LEASE_HOOK" })
      strictEqual(yield* asked(wire, "1 minute"), 0)
      const first = yield* watch(connection)
      const second = yield* watch(connection)
      strictEqual(yield* asked(wire, "3 seconds"), 10)
      yield* exporter.setStatus("LEASE_READY")
      yield* adjust("300 millis")
      deepStrictEqual(first.seen, second.seen)
      yield* Fiber.interrupt(first.fiber)
      strictEqual(yield* asked(wire, "10 seconds"), 2)
      yield* Fiber.interrupt(second.fiber)
      strictEqual(yield* asked(wire, "1 minute"), 0)
    }))

  it.scoped("adapts its pauses to the subscribers and the options", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make({
        statusPolling: { awaited: "10 millis", watched: "1 seconds", idle: "10 seconds" }
      })
      yield* watch(connection)
      strictEqual(yield* asked(wire, "100 seconds"), 10)
      yield* exporter.setStatus("AVAILABLE")
      yield* adjust("10 seconds")
      strictEqual(yield* asked(wire, "100 seconds"), 100)
      const waiting = yield* Effect.fork(connection.awaitReady)
      yield* bench.settle
      strictEqual(yield* asked(wire, "1 seconds"), 100)
      yield* Fiber.interrupt(waiting)
      yield* adjust("1 seconds")
      strictEqual(yield* asked(wire, "100 seconds"), 100)
    }))

  it.scoped("ends a long pause when a consumer subscribes", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      yield* watch(connection)
      yield* exporter.setStatus("AVAILABLE")
      deepStrictEqual((yield* watch(connection)).seen, ["AVAILABLE"])
    }))

  it.scoped("continues after failures of any kind", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make({}, { status: "BEFORE_LEASE_HOOK" })
      const { seen } = yield* watch(connection)
      for (const code of ["UNAVAILABLE", "INTERNAL", "UNAUTHENTICATED"] as const) {
        exporter.answer("GetStatus", GrpcStatus.make(code, "not now"))
        strictEqual(yield* asked(wire, "30 seconds"), 100)
      }
      yield* wire.cut
      strictEqual(yield* asked(wire, "30 seconds"), 100)
      yield* wire.plug(exporter.channel)
      exporter.answer("GetStatus", bench.statusAnswer("LEASE_READY", { version: 1n }))
      yield* adjust("300 millis")
      deepStrictEqual(seen, ["BEFORE_LEASE_HOOK", "LEASE_READY"])
    }))

  it.scoped("gives up after twenty late answers in a row", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make()
      const { fiber, seen } = yield* watch(connection)
      exporter.answer("GetStatus", Effect.never)
      // One pause, then twenty deadlines without a pause.
      yield* adjust("104 seconds")
      strictEqual(Option.isNone(yield* Fiber.poll(fiber)), true)
      yield* adjust("1 seconds")
      const error = yield* Effect.flip(Fiber.join(fiber))
      strictEqual(
        error.message,
        "the exporter at bench can no longer be watched (ConnectionLost): " +
          "20 times in a row: no status within 5s (statusPolling.deadline)"
      )
      strictEqual((yield* connection.state)._tag, "Lost")
      deepStrictEqual(seen, ["LEASE_READY"])
      strictEqual(yield* asked(wire, "1 minute"), 0)
    }))

  it.scoped("does not give up when one answer in between is in time", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      const { fiber } = yield* watch(connection)
      for (let round = 0; round < 3; round++) {
        exporter.answer("GetStatus", Effect.never)
        yield* adjust("95 seconds")
        exporter.answer("GetStatus", bench.statusAnswer("LEASE_READY"))
        yield* adjust("5 seconds")
      }
      strictEqual(Option.isNone(yield* Fiber.poll(fiber)), true)
    }))

  it.scoped("ends at once when the exporter predates statuses, which counts as ready", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make()
      exporter.answer("GetStatus", GrpcStatus.make("UNIMPLEMENTED", ""))
      const { fiber, seen } = yield* watch(connection)
      yield* Fiber.join(fiber)
      deepStrictEqual(seen, ["LEASE_READY"])
      strictEqual(yield* asked(wire, "1 hour"), 0)
      strictEqual((yield* connection.awaitReady).status, "LEASE_READY")
      const error = yield* Effect.flip(connection.awaitStatus("AVAILABLE"))
      assertTrue(error._tag === "StatusNotReached" && error.reason === "Unsupported")
    }))

  it.effect("ends when the connection closes, and so does awaiting", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { connection } = yield* Scope.extend(bench.make({}, { status: "BEFORE_LEASE_HOOK" }), scope)
      const { fiber } = yield* watch(connection)
      const waiting = yield* Effect.fork(Effect.flip(connection.awaitReady))
      yield* bench.settle
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(fiber)
      assertInclude((yield* Fiber.join(waiting)).message, "the connection was closed")
      strictEqual((yield* Effect.flip(connection.awaitReady))._tag, "StatusNotReached")
      yield* Stream.runDrain(connection.statusChanges)
    }))

  it.scoped("shares its status with the check before each call", () =>
    Effect.gen(function*() {
      const { connection, exporter, power, wire } = yield* bench.make({}, { status: "BEFORE_LEASE_HOOK" })
      yield* watch(connection)
      exporter.answer("GetStatus", bench.statusAnswer("OFFLINE", { version: 1n, message: "going down" }))
      yield* adjust("300 millis")
      // The exporter itself would accept the call.
      const error = yield* Effect.flip(power.call("on"))
      deepStrictEqual([error._tag, error.origin], ["ExporterNotReady", "client"])
      assertInclude(error.message, "OFFLINE: going down")
      exporter.answer("GetStatus", bench.statusAnswer("LEASE_READY", { version: 2n }))
      yield* adjust("300 millis")
      const before = wire.begun("GetStatus")
      strictEqual(yield* power.call("on"), "on")
      strictEqual(wire.begun("GetStatus"), before)
    }))

  it.scoped("ignores an answer that a later one has overtaken", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      const { seen } = yield* watch(connection)
      exporter.answer("GetStatus", Effect.delay(bench.statusAnswer("AVAILABLE", { version: 1n }), "2 seconds"))
      const slow = yield* Effect.fork(connection.status)
      yield* bench.settle
      exporter.answer("GetStatus", bench.statusAnswer("LEASE_READY", { version: 2n }))
      yield* connection.status
      yield* adjust("2 seconds")
      strictEqual((yield* Fiber.join(slow)).status, "AVAILABLE")
      deepStrictEqual(seen, ["LEASE_READY", "LEASE_READY, missed 1"])
    }))
})

describe("awaiting a status", () => {
  it.scoped("accepts any of several, including the current one", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      const waiting = yield* Effect.fork(connection.awaitStatus("AVAILABLE", "AFTER_LEASE_HOOK"))
      yield* adjust("1 seconds")
      yield* exporter.setStatus("AFTER_LEASE_HOOK", "sweeping")
      yield* adjust("100 millis")
      const { message, status } = yield* Fiber.join(waiting)
      deepStrictEqual([status, message], ["AFTER_LEASE_HOOK", "sweeping"])
      strictEqual((yield* connection.awaitStatus("AFTER_LEASE_HOOK")).status, "AFTER_LEASE_HOOK")
    }))

  it.scoped("fails after its timeout, with the last status", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make(
        { statusPolling: { awaited: "10 seconds" } },
        { status: "BEFORE_LEASE_HOOK" }
      )
      yield* exporter.setStatus("BEFORE_LEASE_HOOK", "Running beforeLease hook")
      const waiting = yield* Effect.fork(Effect.flip(connection.awaitReady))
      yield* adjust("299 seconds")
      strictEqual(Option.isNone(yield* Fiber.poll(waiting)), true)
      yield* adjust("1 seconds")
      const error = yield* Fiber.join(waiting)
      strictEqual(
        error.message,
        "the exporter at bench did not become LEASE_READY (Timeout): " +
          "it is BEFORE_LEASE_HOOK, Running beforeLease hook, after 5m (readyTimeout)"
      )
      strictEqual(yield* asked(wire, "1 minute"), 0)
    }))

  it.scoped("says when the exporter did not answer the last request", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make({ readyTimeout: "2 seconds" }, { status: "BEFORE_LEASE_HOOK" })
      exporter.answer("GetStatus", GrpcStatus.make("UNAVAILABLE", "restarting"))
      const waiting = yield* Effect.fork(Effect.flip(connection.awaitReady))
      yield* adjust("2 seconds")
      assertInclude(
        (yield* Fiber.join(waiting)).message,
        "it was BEFORE_LEASE_HOOK, after 2s (readyTimeout); " +
          "/jumpstarter.v1.ExporterService/GetStatus on bench ended with UNAVAILABLE from the peer: restarting"
      )
    }))

  it.scoped("fails when the exporter goes offline", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      yield* exporter.setStatus("OFFLINE", "Exporter shutting down")
      const error = yield* Effect.flip(connection.awaitReady)
      strictEqual(
        error.message,
        "the exporter at bench did not become LEASE_READY (Offline): Exporter shutting down"
      )
      strictEqual((yield* connection.awaitStatus("OFFLINE")).status, "OFFLINE")
    }))
})

describe("the message of a failure", () => {
  it.scoped("says so when the exporter gives no reason", () =>
    Effect.gen(function*() {
      const { connection } = yield* bench.make({}, { status: "OFFLINE" })
      strictEqual(
        (yield* Effect.flip(connection.awaitReady)).message,
        "the exporter at bench did not become LEASE_READY (Offline): it gave no reason"
      )
    }))

  it.scoped("names the exporter that did not report its status", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      exporter.answer("GetStatus", Effect.never)
      const asking = yield* Effect.fork(Effect.flip(connection.status))
      yield* adjust("5 seconds")
      strictEqual(
        (yield* Fiber.join(asking)).message,
        "bench: DEADLINE_EXCEEDED from the client: no status within 5s (statusPolling.deadline)"
      )
    }))
})

describe("a hook that fails", () => {
  it.scoped("is reported with its lines and their source", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make({}, { status: "BEFORE_LEASE_HOOK" })
      yield* exporter.log("AFTER_LEASE_HOOK", "of another hook")
      yield* exporter.log("BEFORE_LEASE_HOOK", "flashing")
      const waiting = yield* Effect.fork(Effect.flip(connection.awaitReady))
      yield* adjust("1 seconds")
      yield* exporter.log("SYSTEM", "something else")
      yield* exporter.setStatus("BEFORE_LEASE_HOOK_FAILED", "beforeLease hook failed: Hook failed with exit code 3")
      // The log and the status travel separately, so the log may be behind.
      yield* exporter.log("BEFORE_LEASE_HOOK", "no such image")
      yield* adjust("100 millis")
      const error = yield* Fiber.join(waiting)
      assertTrue(error._tag === "HookFailed")
      deepStrictEqual([error.hook, error.status, error.address], ["beforeLease", "BEFORE_LEASE_HOOK_FAILED", "bench"])
      deepStrictEqual(error.logs.map(({ message, source }) => [source, message]), [
        ["BEFORE_LEASE_HOOK", "flashing"],
        ["BEFORE_LEASE_HOOK", "no such image"]
      ])
      strictEqual(
        error.message,
        "the beforeLease hook of the exporter at bench failed: " +
          "beforeLease hook failed: Hook failed with exit code 3\n  | flashing\n  | no such image"
      )
    }))

  it.scoped("is reported even if it failed before the wait and there is no log", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make({}, { status: "BEFORE_LEASE_HOOK_FAILED" })
      yield* exporter.log("BEFORE_LEASE_HOOK", "no such image")
      // The clock of the test does not move.
      const error = yield* Effect.flip(connection.awaitReady)
      deepStrictEqual(error._tag === "HookFailed" && error.logs.map(({ message }) => message), ["no such image"])
    }))

  // protocol.md 9.2: with `onFailure: exit` the failed status lives for microseconds.
  it.scoped("is reported with its lines even if the program reads the log, too", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make({}, { status: "BEFORE_LEASE_HOOK" })
      yield* Effect.fork(Stream.runDrain(connection.logs))
      yield* bench.settle
      yield* exporter.log("BEFORE_LEASE_HOOK", "flashing")
      yield* bench.settle
      const waiting = yield* Effect.fork(Effect.flip(connection.awaitReady))
      yield* bench.settle
      yield* exporter.log("BEFORE_LEASE_HOOK", "no such image")
      yield* exporter.setStatus("BEFORE_LEASE_HOOK_FAILED")
      yield* adjust("100 millis")
      const error = yield* Fiber.join(waiting)
      deepStrictEqual(error._tag === "HookFailed" && error.logs.map(({ message }) => message), [
        "flashing",
        "no such image"
      ])
    }))

  it.scoped("is reported with its own lines only, even if the status has moved on", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      yield* Effect.fork(Stream.runDrain(connection.logs))
      yield* Effect.fork(Stream.runDrain(connection.statusChanges))
      yield* bench.settle
      const run = (line: string) =>
        Effect.gen(function*() {
          yield* exporter.setStatus("BEFORE_LEASE_HOOK")
          yield* adjust("5 seconds")
          yield* exporter.log("BEFORE_LEASE_HOOK", line)
        })
      yield* run("of the first lease")
      yield* exporter.setStatus("AVAILABLE")
      yield* adjust("5 seconds")
      yield* run("of the second lease")
      const waiting = yield* Effect.fork(Effect.flip(connection.awaitReady))
      yield* exporter.setStatus("BEFORE_LEASE_HOOK_FAILED")
      yield* adjust("100 millis")
      yield* exporter.setStatus("AVAILABLE")
      yield* exporter.setStatus("UNSPECIFIED")
      const error = yield* Fiber.join(waiting)
      deepStrictEqual(error._tag === "HookFailed" && error.logs.map(({ message }) => message), ["of the second lease"])
    }))

  it.scoped("is reported without the lines of an earlier run that nobody watched", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make({}, { status: "BEFORE_LEASE_HOOK" })
      yield* exporter.log("BEFORE_LEASE_HOOK", "of the first lease")
      yield* exporter.log("AFTER_LEASE_HOOK", "of the first lease")
      yield* exporter.log("BEFORE_LEASE_HOOK", "of the second lease")
      yield* exporter.setStatus("BEFORE_LEASE_HOOK_FAILED")
      const error = yield* Effect.flip(connection.awaitReady)
      deepStrictEqual(error._tag === "HookFailed" && error.logs.map(({ message }) => message), ["of the second lease"])
    }))

  for (
    const [failed, hook] of [["BEFORE_LEASE_HOOK_FAILED", "beforeLease"], [
      "AFTER_LEASE_HOOK_FAILED",
      "afterLease"
    ]] as const
  ) {
    for (const status of ["OFFLINE", "AVAILABLE"] as const) {
      it.scoped(`is reported when ${failed} comes right before ${status}`, () =>
        Effect.gen(function*() {
          const { connection, exporter } = yield* bench.make({}, { status: "BEFORE_LEASE_HOOK" })
          yield* exporter.setStatus(failed)
          yield* exporter.setStatus(status, "goodbye")
          const error = yield* Effect.flip(connection.awaitStatus("LEASE_READY", "AVAILABLE"))
          assertTrue(error._tag === "HookFailed")
          deepStrictEqual([error.hook, error.status, error.details], [hook, status, "goodbye"])
        }))
    }
  }

  it.scoped("is not a failure when its status was awaited, or when the exporter is ready again", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      yield* exporter.setStatus("AFTER_LEASE_HOOK_FAILED")
      strictEqual((yield* connection.awaitStatus("AFTER_LEASE_HOOK_FAILED")).status, "AFTER_LEASE_HOOK_FAILED")
      yield* exporter.setStatus("LEASE_READY")
      strictEqual((yield* connection.awaitReady).status, "LEASE_READY")
    }))

  it.scoped("and lets the lease continue is one warning, on the status and in the log", () =>
    Effect.gen(function*() {
      const logged: Array<unknown> = []
      const logger = Logger.make<unknown, void>(({ annotations, logLevel, message }) => {
        logged.push([logLevel.label, String(message), Option.getOrNull(HashMap.get(annotations, "exporter"))])
      })
      yield* Effect.gen(function*() {
        const { connection, exporter } = yield* bench.make({}, { status: "BEFORE_LEASE_HOOK" })
        const warning = "beforeLease hook warning: Hook failed with exit code 1"
        yield* exporter.setStatus("LEASE_READY", `[HOOK_WARNING] ${warning}`)
        const ready = yield* connection.awaitReady
        deepStrictEqual(ready.warning, Option.some(warning))
        yield* watch(connection)
        yield* adjust("20 seconds")
        deepStrictEqual(logged, [["WARN", warning, "bench"]])
        yield* exporter.setStatus("LEASE_READY", "all is well")
        deepStrictEqual((yield* connection.status).warning, Option.none())
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    }))

  it.scoped("leaves the log to other subscribers while no hook is awaited", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make({}, { status: "AVAILABLE" })
      const waiting = yield* Effect.fork(connection.awaitReady)
      yield* adjust("1 seconds")
      strictEqual(wire.begun("LogStream"), 0)
      yield* exporter.setStatus("BEFORE_LEASE_HOOK")
      yield* adjust("1 seconds")
      strictEqual(wire.begun("LogStream"), 1)
      yield* exporter.setStatus("LEASE_READY")
      yield* adjust("100 millis")
      yield* Fiber.join(waiting)
    }))
})

describe("ending the session", () => {
  const leased = { leased: true } as const

  const ended = (status: GrpcStatus.GrpcStatusError) =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make(leased)
      exporter.answer("EndSession", status)
      return yield* connection.endSession
    })

  it.scoped("is refused without a lease, and nothing is sent", () =>
    Effect.gen(function*() {
      const { connection, wire } = yield* bench.make()
      const error = yield* Effect.flip(connection.endSession)
      deepStrictEqual([error._tag, error.reason], ["EndSessionError", "NotLeased"])
      assertInclude(error.message, "option `leased`")
      strictEqual(wire.begun("EndSession"), 0)
    }))

  it.effect("is left to the program: neither a loss nor closing the connection does it", () =>
    Effect.gen(function*() {
      const used = yield* Effect.scoped(Effect.gen(function*() {
        const { exporter, power, wire } = yield* bench.make({ ...leased, reconnect: Schedule.spaced("1 second") })
        yield* wire.cut
        yield* adjust("1 minute")
        yield* wire.plug(exporter.channel)
        yield* adjust("1 second")
        strictEqual(yield* power.call("on"), "on")
        yield* wire.cut
        yield* adjust("1 minute")
        return wire
      }))
      deepStrictEqual([used.begun("DriverCall"), used.begun("EndSession")], [1, 0])
    }))

  it.scoped("says so when the exporter has no lease", () =>
    Effect.gen(function*() {
      const { connection } = yield* bench.make(leased)
      deepStrictEqual(yield* connection.endSession, { ended: false, message: "No active lease context" })
    }))

  it.scoped("keeps the log and the status until the afterLease hook has finished", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make(leased)
      // { success: true }
      exporter.answer("EndSession", Effect.succeed(Uint8Array.of(8, 1)))
      const seen: Array<string> = []
      yield* Effect.fork(Stream.runForEach(connection.logs, (event) =>
        Effect.sync(() =>
          seen.push(event._tag === "LogEntry" ? `${event.source}: ${event.message}` : event._tag)
        )))
      yield* bench.settle
      strictEqual((yield* connection.endSession).ended, true)
      const waiting = yield* Effect.fork(connection.awaitStatus("AVAILABLE"))
      yield* exporter.setStatus("AFTER_LEASE_HOOK")
      yield* adjust("1 seconds")
      yield* exporter.log("AFTER_LEASE_HOOK", "sweeping")
      yield* exporter.setStatus("AVAILABLE", "Available for new lease")
      yield* adjust("100 millis")
      strictEqual((yield* Fiber.join(waiting)).message, "Available for new lease")
      deepStrictEqual(seen, ["AFTER_LEASE_HOOK: sweeping"])
    }))

  for (const code of ["UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"] as const) {
    it.scoped(`counts as done after ${code}`, () =>
      Effect.map(
        ended(GrpcStatus.make(code, "bye")),
        ({ ended, message }) => deepStrictEqual([ended, message], [true, `${code}: bye`])
      ))
  }

  it.scoped("counts as done when no answer comes within five seconds", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make(leased)
      exporter.answer("EndSession", Effect.never)
      const ending = yield* Effect.fork(connection.endSession)
      yield* adjust("5 seconds")
      deepStrictEqual(yield* Fiber.join(ending), { ended: true, message: "no answer within 5s" })
    }))

  it.scoped("waits until the connection is re-established, however long that takes", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make({ ...leased, reconnect: Schedule.spaced("1 second") })
      yield* wire.cut
      yield* Effect.flip(connection.status)
      const ending = yield* Effect.fork(connection.endSession)
      yield* adjust("1 minute")
      deepStrictEqual([ending.unsafePoll(), wire.begun("EndSession")], [null, 0])
      // { success: true }
      exporter.answer("EndSession", Effect.succeed(Uint8Array.of(8, 1)))
      yield* wire.plug(exporter.channel)
      yield* adjust("1 second")
      deepStrictEqual([(yield* Fiber.join(ending)).ended, wire.begun("EndSession")], [true, 1])
    }))

  it.scoped("fails after reconnecting was given up", () =>
    Effect.gen(function*() {
      const { connection, wire } = yield* bench.make({ ...leased, reconnect: Schedule.recurs(0) })
      yield* wire.cut
      yield* Effect.flip(connection.status)
      yield* bench.settle
      const error = yield* Effect.flip(connection.endSession)
      deepStrictEqual([error.reason, wire.begun("EndSession")], ["ConnectionLost", 0])
      assertInclude(error.message, "gave up reconnecting after 1 attempt")
    }))

  it.scoped("fails on a closed connection", () =>
    Effect.gen(function*() {
      const { connection, wire } = yield* Effect.scoped(bench.make(leased))
      const error = yield* Effect.flip(connection.endSession)
      deepStrictEqual([error.reason, wire.begun("EndSession")], ["ConnectionLost", 0])
    }))

  it.effect("has an unknown outcome when the connection closes meanwhile", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { connection, exporter } = yield* Scope.extend(bench.make(leased), scope)
      exporter.answer("EndSession", Effect.never)
      const ending = yield* Effect.fork(Effect.flip(connection.endSession))
      yield* bench.settle
      yield* Scope.close(scope, Exit.void)
      strictEqual((yield* Fiber.join(ending)).reason, "ConnectionLost")
    }))

  it.scoped("counts as done when the stream was removed, and for no other unknown reason", () =>
    Effect.gen(function*() {
      strictEqual((yield* ended(GrpcStatus.make("UNKNOWN", "Stream removed (x)"))).ended, true)
      const error = yield* Effect.flip(ended(GrpcStatus.make("UNKNOWN", "no idea")))
      deepStrictEqual([error.reason, error.details], ["Failed", "UNKNOWN: no idea"])
    }))

  it.scoped("does nothing on an exporter that cannot end sessions", () =>
    Effect.map(ended(GrpcStatus.make("UNIMPLEMENTED", "")), ({ ended }) => strictEqual(ended, false)))
})
