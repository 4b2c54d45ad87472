// A connection lost by a fault looks like a connection to a killed process.
import { Endpoint, ExporterConnection, GrpcChannel } from "@effect-jumpstarter/core"
import { Faults } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import type { DriverClient } from "../../src/client/DriverClient.ts"
import { until } from "../suite/harness.ts"
import * as probeExporter from "../support/probeExporter.ts"
import * as process from "../support/process.ts"
import * as temporary from "../support/temporary.ts"
import * as bench from "./bench.ts"

const lost = "ConnectionLost UNAVAILABLE transport: Connection dropped"

// Operations in progress when the connection is lost, and the events that show their progress.
const operations: ReadonlyArray<{
  readonly begun: string
  readonly run: (probe: DriverClient) => Effect.Effect<unknown, unknown>
}> = [
  { begun: "hang:open", run: (probe) => probe.call("hang") },
  { begun: "forever:open", run: (probe) => Stream.runDrain(probe.streamingCall("forever")) },
  { begun: "silent:open", run: (probe) => Stream.runDrain(probe.streamingCall("silent")) },
  {
    begun: "idle:open",
    run: (probe) => Effect.scoped(Effect.flatMap(probe.stream("idle"), ({ read }) => Stream.runDrain(read)))
  },
  {
    begun: "sink_stuck:open",
    run: (probe) =>
      Effect.scoped(
        Effect.flatMap(probe.stream("sink_stuck"), ({ write }) => Effect.forever(write(new Uint8Array(65_536))))
      )
  }
]

/** Loses a connection during all operations, and returns their outcomes and those of later operations. */
const lose = Effect.fnUntraced(function*(connection: ExporterConnection.Connection, lose: Effect.Effect<void>) {
  const probe = yield* connection.driver("probe")
  const running = yield* Effect.forEach(operations, ({ run }) => Effect.fork(bench.outcomeOf(run(probe))))
  yield* until(
    "every operation runs",
    probe.call("events"),
    (events) => Array.isArray(events) && operations.every(({ begun }) => events.includes(begun))
  )
  yield* lose
  const next = [
    probe.call("echo"),
    Stream.runDrain(probe.streamingCall("count", 1)),
    Effect.scoped(probe.stream("idle"))
  ]
  return {
    // The error of a broken socket depends on timing, and the address differs each time.
    underWay: Array.from(
      yield* Effect.forEach(running, Fiber.join),
      (outcome) => String(outcome).replace("read ECONNRESET", "Connection dropped")
    ),
    later: Array.from(
      yield* Effect.forEach(next, bench.outcomeOf),
      (outcome) => String(outcome).replace(/at \S+ /, "").replace(/ECONNREFUSED .*/, "ECONNREFUSED")
    )
  }
})

const allLost = {
  underWay: operations.map(() => lost),
  later: Array.from(
    { length: 3 },
    () => "ConnectionLost UNAVAILABLE client: cannot connect to the exporter (Unreachable): connect ECONNREFUSED"
  )
}

describe("the loss of a connection", () => {
  it.scopedLive("looks the same when the process is killed", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const exporter = yield* process.start(process.typescript(), ["--unix", path])
      const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path))
      assert.deepStrictEqual(yield* lose(connection, exporter.kill), allLost)
    }), 30_000)

  it.scopedLive("looks the same by a fault, in memory", () =>
    Effect.gen(function*() {
      const exporter = yield* probeExporter.make
      const { channel, control: faults } = yield* Faults.make(yield* GrpcChannel.fromHandlers(exporter.handlers))
      const connection = yield* ExporterConnection.fromChannel(channel)
      assert.deepStrictEqual(yield* lose(connection, faults.dropConnection), allLost)
      yield* faults.restore
      const probe = yield* connection.driver("probe")
      assert.deepStrictEqual(yield* probe.call("echo", 1), [1])
    }).pipe(Effect.provide(probeExporter.quiet)))

  it.scopedLive("looks the same by a fault, on a real connection", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      yield* process.start(process.typescript(), ["--unix", path])
      const { channel, control: faults } = yield* Faults.make(yield* GrpcChannel.fromEndpoint(Endpoint.unix(path)))
      const connection = yield* ExporterConnection.fromChannel(channel)
      assert.deepStrictEqual(yield* lose(connection, faults.dropConnection), allLost)
      yield* faults.restore
      const probe = yield* connection.driver("probe")
      assert.deepStrictEqual(yield* probe.call("echo", 1), [1])
      yield* until("the exporter heard of it", probe.call("open_count"), (count) => count === 0)
    }), 30_000)
})
