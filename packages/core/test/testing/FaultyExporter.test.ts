// Faults of the exporter itself: refused connections, restarts, failing hooks, floods of log lines.
import { ExporterConnection, GrpcChannel } from "@effect-jumpstarter/core"
import { Faults, FaultyExporter } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Chunk, Effect, Exit, Fiber, Option, Schedule, type Scope, Stream, TestClock } from "effect"
import * as bench from "./bench.ts"

const withExporter = <A, E>(
  program: (
    exporter: FaultyExporter.Control,
    events: Array<string>
  ) => Effect.Effect<A, E, ExporterConnection.ExporterConnection | GrpcChannel.GrpcChannel | Scope.Scope>,
  options?: FaultyExporter.FaultyExporterOptions
) =>
  Effect.flatMap(bench.make, ({ drivers, events }) =>
    Effect.provide(
      Effect.scoped(Effect.flatMap(FaultyExporter.FaultyExporter, (exporter) => program(exporter, events))),
      FaultyExporter.layer(drivers, options)
    ))

const connectError = (exit: Exit.Exit<unknown, unknown>) => {
  const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
  return error instanceof ExporterConnection.ConnectError ? `${error.reason}: ${error.details}` : String(exit)
}

const prepare = (prepare: (control: FaultyExporter.Control) => Effect.Effect<unknown>) =>
  Effect.exit(withExporter(() => Effect.void, { prepare }))

describe("connecting", () => {
  it.effect("is refused", () =>
    Effect.gen(function*() {
      const exit = yield* prepare(({ dropConnection }) => dropConnection)
      assert.strictEqual(connectError(exit), "Unreachable: connect ECONNREFUSED memory")
    }))

  it.effect("never completes", () =>
    Effect.gen(function*() {
      const connecting = yield* Effect.fork(prepare(({ next }) => next({ kind: "report" }, Faults.stall("before"))))
      assert.match(connectError(yield* bench.passTime(connecting)), /^Timeout/)
    }))

  it.effect("is denied", () =>
    Effect.gen(function*() {
      const exit = yield* prepare(({ next }) => next({ kind: "report" }, Faults.fail("UNAUTHENTICATED", "who are you")))
      assert.strictEqual(
        connectError(exit),
        "Unauthenticated: who are you; no passphrase was given (option `passphrase`, or JMP_GRPC_PASSPHRASE)"
      )
    }))

  it.effect("fails when the exporter sends malformed messages", () =>
    Effect.gen(function*() {
      const exit = yield* prepare(({ next }) => next({ kind: "report" }, Faults.malform({ messages: 0 })))
      assert.match(connectError(exit), /^Refused: INTERNAL: malformed message from the exporter/)
    }))
})

describe("a restart", () => {
  it.effect("ends RPCs in progress, and hosts the same drivers under new uuids", () =>
    withExporter((exporter, events) =>
      Effect.gen(function*() {
        const before = yield* bench.power
        const hanging = yield* Effect.fork(Effect.flip(before.call("hang")))
        yield* bench.eventually(() => events.length === 1)
        yield* exporter.restart
        assert.strictEqual((yield* Fiber.join(hanging))._tag, "ConnectionLost")
        // The exporter ends only after its drivers have released their resources.
        assert.deepStrictEqual(events, ["hang", "hang interrupted"])

        // The connection first requests the report of the new exporter.
        yield* before.call("on")
        const renewed = yield* ExporterConnection.fromChannel(yield* GrpcChannel.GrpcChannel)
        const power = yield* renewed.driver("power")
        assert.notStrictEqual(power.uuid, before.uuid)
        yield* power.call("on")
        assert.deepStrictEqual(events.slice(2), ["on", "on"])
      })
    ))
})

describe("a hook that fails", () => {
  const statuses = (hook: "beforeLease" | "afterLease", options?: FaultyExporter.FailingHook) =>
    withExporter((exporter) =>
      Effect.gen(function*() {
        const { logs, status } = yield* ExporterConnection.ExporterConnection
        const lines = yield* Effect.fork(Stream.runCollect(Stream.take(logs, options?.output?.length ?? 0)))
        yield* Effect.repeatN(Effect.yieldNow(), 100)
        yield* exporter.failHook(hook, options)
        const at = Effect.map(status, ({ message, previous, status, version }) => [
          status,
          message,
          Number(Option.getOrThrow(version)),
          Option.getOrNull(previous)
        ])
        const first = yield* at
        yield* TestClock.adjust(options?.duration ?? "1 second")
        const second = yield* at
        const output = Chunk.toReadonlyArray(yield* Fiber.join(lines))
        return { first, second, output: output.map((event) => event._tag === "LogEntry" && event) }
      })
    )

  it.effect("ends the lease a second later", () =>
    Effect.gen(function*() {
      const { first, output, second } = yield* statuses("beforeLease", { output: ["mounting", "no such device"] })
      assert.deepStrictEqual(first, [
        "BEFORE_LEASE_HOOK_FAILED",
        "beforeLease hook failed (on_failure=endLease): Hook failed with exit code 1",
        2,
        "BEFORE_LEASE_HOOK"
      ])
      assert.deepStrictEqual(second, ["AVAILABLE", "Available for new lease", 3, "BEFORE_LEASE_HOOK_FAILED"])
      assert.deepStrictEqual(
        output.map((line) => line && [line.source, line.message]),
        [["BEFORE_LEASE_HOOK", "mounting"], ["BEFORE_LEASE_HOOK", "no such device"]]
      )
    }))

  it.effect("only warns with `onFailure: warn`", () =>
    Effect.gen(function*() {
      const { first } = yield* statuses("beforeLease", {
        onFailure: "warn",
        reason: "Hook timed out after 120 seconds"
      })
      assert.deepStrictEqual(first.slice(0, 2), [
        "LEASE_READY",
        "[HOOK_WARNING] beforeLease hook warning: Hook timed out after 120 seconds"
      ])
    }))

  it.effect("takes the exporter down", () =>
    Effect.gen(function*() {
      const { first } = yield* statuses("afterLease", { onFailure: "exit" })
      assert.deepStrictEqual([first[0], first[2], first[3]], ["OFFLINE", 3, "AFTER_LEASE_HOOK_FAILED"])
    }))

  it.effect("runs for a while", () =>
    Effect.gen(function*() {
      const { first, second } = yield* statuses("afterLease", { duration: "30 seconds" })
      assert.deepStrictEqual(first.slice(0, 2), ["AFTER_LEASE_HOOK", "Running afterLease hooks"])
      assert.deepStrictEqual(second[0], "AFTER_LEASE_HOOK_FAILED")
    }))

  it.effect("prevents calls of drivers", () =>
    withExporter((exporter, events) =>
      Effect.gen(function*() {
        const power = yield* bench.power
        yield* exporter.failHook("beforeLease")
        const error = yield* Effect.flip(power.call("on"))
        assert.strictEqual(error._tag, "ExporterNotReady")
        assert.deepStrictEqual(events, [])
      })
    ))
})

it.effect("skipStatusVersions skips versions of the status", () =>
  withExporter((exporter) =>
    Effect.gen(function*() {
      const { status } = yield* ExporterConnection.ExporterConnection
      yield* exporter.setStatus("LEASE_READY", "still")
      yield* exporter.skipStatusVersions(3)
      const { message, status: name, version } = yield* status
      assert.deepStrictEqual([name, message, version], ["LEASE_READY", "still", Option.some(4n)])
    })
  ))

describe("a connection", () => {
  it.effect("finds the drivers of a restarted exporter when it reconnects", () =>
    withExporter((exporter, events) =>
      Effect.gen(function*() {
        const power = yield* bench.power
        const { stateChanges } = yield* ExporterConnection.ExporterConnection
        const states: Array<string> = []
        yield* Effect.forkScoped(
          Stream.runForEach(stateChanges, ({ _tag }) => Effect.sync(() => void states.push(_tag)))
        )
        yield* bench.settled
        yield* exporter.dropConnection
        yield* Effect.flip(power.call("on"))
        const waiting = yield* Effect.fork(power.call("off"))
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(events, [])
        yield* exporter.restart
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(waiting)
        assert.deepStrictEqual(events, ["off"])
        assert.strictEqual(states.at(0), "Ready")
        assert.include(states, "Lost")
        assert.strictEqual(states.at(-1), "Ready")
      }), { reconnect: Schedule.spaced("1 second") }))

  it.effect("reports a failed hook and its output to a program that waits for the exporter", () =>
    withExporter((exporter) =>
      Effect.gen(function*() {
        const { awaitReady } = yield* ExporterConnection.ExporterConnection
        const waiting = yield* Effect.fork(Effect.flip(awaitReady))
        yield* exporter.failHook("beforeLease", { output: ["no such device"], duration: "2 seconds" })
        const error = yield* bench.passTime(waiting)
        assert.strictEqual(error._tag, "HookFailed")
        assert.include(error.message, "Hook failed with exit code 1\n  | no such device")
      }), { status: "AVAILABLE" }))

  const waiting = Effect.gen(function*() {
    const { awaitReady } = yield* ExporterConnection.ExporterConnection
    const fiber = yield* Effect.fork(Effect.flip(awaitReady))
    yield* bench.settled
    return fiber
  })

  it.effect("fails a waiting program as soon as a hook fails, without a step of the clock", () =>
    withExporter((exporter) =>
      Effect.gen(function*() {
        const fiber = yield* waiting
        yield* exporter.failHook("beforeLease", { output: ["no such device"] })
        const error = yield* Fiber.join(fiber)
        assert.include(error.message, "Hook failed with exit code 1\n  | no such device")
      }), { status: "AVAILABLE" }))

  it.effect("fails a waiting program when the hook ends, and not later", () =>
    withExporter((exporter) =>
      Effect.gen(function*() {
        const fiber = yield* waiting
        yield* exporter.failHook("beforeLease", { duration: "2050 millis" })
        yield* TestClock.adjust("2050 millis")
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "HookFailed")
      }), { status: "AVAILABLE" }))

  it.effect("stays lost when a hook fails, and the hook fails without a connection", () =>
    withExporter((exporter) =>
      Effect.gen(function*() {
        const { state, status } = yield* ExporterConnection.ExporterConnection
        yield* exporter.next({ kind: "status" }, Faults.stall("before"))
        yield* exporter.failHook("beforeLease")
        yield* bench.settled
        yield* exporter.dropConnection
        yield* Effect.flip(status)
        yield* exporter.restore
        yield* exporter.failHook("beforeLease")
        yield* bench.settled
        assert.strictEqual((yield* state)._tag, "Lost")
      })
    ))

  it.effect("reports missed versions to a program that watches the status", () =>
    withExporter((exporter) =>
      Effect.gen(function*() {
        const { statusChanges } = yield* ExporterConnection.ExporterConnection
        const missed: Array<number> = []
        yield* Effect.forkScoped(
          Stream.runForEach(statusChanges, (change) => Effect.sync(() => void missed.push(change.missed)))
        )
        yield* bench.settled
        yield* exporter.skipStatusVersions(5)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(missed, [0, 4])
      })
    ))
})

it.effect("a flood of log lines reaches the reader, with a report of the lost lines", () =>
  withExporter((exporter) =>
    Effect.gen(function*() {
      const { logs } = yield* ExporterConnection.ExporterConnection
      const heard: Array<string> = []
      yield* Effect.fork(Stream.runForEach(logs, (event) =>
        Effect.sync(() => {
          heard.push(event._tag === "LogEntry" ? event.message : "gap")
        })))
      yield* Effect.repeatN(Effect.yieldNow(), 100)
      yield* exporter.floodLogs(5_000)
      yield* bench.eventually(() => heard.includes("flood 5000"))
      assert.isAtLeast(heard.length, 256)
    })
  ))
