// What a client counts. Metrics are global, so each test has an exporter with its own name.
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Device from "../../src/client/Device.ts"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as DriverInterface from "../../src/contract/DriverInterface.ts"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as DriverFailure from "../../src/protocol/DriverFailure.ts"
import * as Resource from "../../src/resource/Resource.ts"
import * as FaultyExporter from "../../src/testing/FaultyExporter.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"

const connect = Effect.fnUntraced(function*(target: string, hanging?: Deferred.Deferred<void>) {
  const begun = hanging === undefined ? Effect.void : Deferred.succeed(hanging, undefined)
  const board = Driver.make({
    client: "example.client.BoardClient",
    methods: {
      on: Driver.call(() => Effect.void),
      off: Driver.call(() => DriverFailure.make("Device", "the relay is stuck")),
      hang: Driver.call(() => Effect.zipRight(begun, Effect.never)),
      read: Driver.streamingCall(() => Stream.range(1, 3)),
      connect: Driver.streamTransform((input) => Stream.concat(input, Stream.make(new Uint8Array(10)))),
      flash: Driver.call(([image], { resource }) =>
        Effect.scoped(Effect.flatMap(resource(image), ({ read }) => Stream.runDrain(read)))
      ),
      dump: Driver.call(([image], { resource }) =>
        Effect.scoped(
          Effect.flatMap(resource(image), ({ write }) => write(Stream.make(new Uint8Array(1_000), new Uint8Array(24))))
        )
      )
    }
  })
  const { handlers } = yield* Exporter.make(Driver.composite({ board }), { localLogs: false })
  const connection = yield* ExporterConnection.fromChannel(yield* GrpcChannel.fromHandlers(handlers, { target }))
  return yield* connection.driver("board")
})

const valueOf = (state: MetricState.MetricState.Untyped) =>
  MetricState.isCounterState(state)
    ? state.count
    : MetricState.isGaugeState(state)
    ? state.value
    : MetricState.isHistogramState(state)
    ? { count: state.count, sum: state.sum }
    : state

/** The metrics about an exporter, by name and by the labels that distinguish them. */
const metricsOf = (exporter: string) =>
  Effect.map(Metric.snapshot, (pairs) =>
    Object.fromEntries(pairs.flatMap(({ metricKey, metricState }) => {
      const { exporter: of, ...labels } = Object.fromEntries(metricKey.tags.map(({ key, value }) => [key, value]))
      return of === exporter ? [[[metricKey.name, ...Object.values(labels)].join(" "), valueOf(metricState)]] : []
    })))

describe("metrics", () => {
  it.scoped("of calls", () =>
    Effect.gen(function*() {
      const board = yield* connect("calls")
      yield* board.call("on")
      yield* board.call("on")
      yield* Effect.flip(board.call("off"))
      yield* Effect.flip(board.call("on", NaN))
      yield* Stream.runDrain(board.streamingCall("read"))
      deepStrictEqual(yield* metricsOf("calls"), {
        "jumpstarter_calls board on call": 3,
        "jumpstarter_call_duration board on call milliseconds": { count: 3, sum: 0 },
        "jumpstarter_call_failures board on call InvalidArgument": 1,
        "jumpstarter_calls board off call": 1,
        "jumpstarter_call_duration board off call milliseconds": { count: 1, sum: 0 },
        "jumpstarter_call_failures board off call DriverError": 1,
        "jumpstarter_calls board read streamingCall": 1,
        "jumpstarter_call_duration board read streamingCall milliseconds": { count: 1, sum: 0 }
      })
    }))

  it.scoped("of calls that a contract refuses", () =>
    Effect.gen(function*() {
      const contract = DriverInterface.make("test.client.Board", {
        on: DriverMethod.call({ args: [DriverMethod.optional(Schema.Int)], result: Schema.Int })
      })
      const board = Device.fromInterface(yield* connect("contract"), contract)
      yield* Effect.flip(board.on())
      yield* Effect.flip(board.on(1.5))
      const metrics = yield* metricsOf("contract")
      deepStrictEqual(
        Object.entries(metrics).filter(([name]) => !name.startsWith("jumpstarter_call_duration")),
        [
          ["jumpstarter_calls board on call", 2],
          ["jumpstarter_call_failures board on call UnexpectedResult", 1],
          ["jumpstarter_call_failures board on call InvalidArgument", 1]
        ]
      )
    }))

  it.scoped("of a call that was interrupted", () =>
    Effect.gen(function*() {
      const hanging = yield* Deferred.make<void>()
      const board = yield* connect("interruption", hanging)
      const fiber = yield* Effect.fork(Effect.timeoutOption(board.call("hang"), "1500 millis"))
      yield* Deferred.await(hanging)
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.join(fiber)
      deepStrictEqual(yield* metricsOf("interruption"), {
        "jumpstarter_calls board hang call": 1,
        "jumpstarter_call_duration board hang call milliseconds": { count: 1, sum: 1_500 }
      })
    }))

  it.scoped("of byte streams", () =>
    Effect.gen(function*() {
      const board = yield* connect("streams")
      const scope = yield* Scope.make()
      const stream = yield* Scope.extend(board.stream("connect"), scope)
      yield* Scope.extend(board.stream("connect"), scope)
      yield* stream.write(new Uint8Array(300))
      yield* stream.end
      yield* Stream.runDrain(stream.read)
      const open = {
        "jumpstarter_calls board connect stream": 2,
        "jumpstarter_open_streams board connect stream": 2,
        "jumpstarter_bytes board connect stream sent": 300,
        "jumpstarter_bytes board connect stream received": 310
      }
      deepStrictEqual(yield* metricsOf("streams"), open)
      yield* Scope.close(scope, Exit.void)
      deepStrictEqual(yield* metricsOf("streams"), {
        ...open,
        "jumpstarter_call_duration board connect stream milliseconds": { count: 2, sum: 0 },
        "jumpstarter_open_streams board connect stream": 0
      })
    }))

  it.scoped("of byte streams that cannot be opened", () =>
    Effect.gen(function*() {
      const board = yield* connect("refused")
      yield* Effect.scoped(Effect.flip(board.stream("disconnect")))
      deepStrictEqual(yield* metricsOf("refused"), {
        "jumpstarter_calls board disconnect stream": 1,
        "jumpstarter_open_streams board disconnect stream": 0,
        "jumpstarter_call_duration board disconnect stream milliseconds": { count: 1, sum: 0 },
        "jumpstarter_call_failures board disconnect stream MethodNotImplemented": 1
      })
    }))

  it.scoped("of transfers", () =>
    Effect.gen(function*() {
      const board = yield* connect("transfers")
      const image = Resource.source(Stream.make(new Uint8Array(1_000), new Uint8Array(24)))
      yield* Effect.scoped(Effect.flatMap(board.resource(image), (handle) => board.call("flash", handle)))
      const { ["jumpstarter_call_duration board flash call milliseconds"]: _, ...metrics } = yield* metricsOf(
        "transfers"
      )
      deepStrictEqual(metrics, {
        "jumpstarter_calls board flash call": 1,
        "jumpstarter_calls board resource resource": 1,
        "jumpstarter_open_streams board resource resource": 0,
        "jumpstarter_bytes board resource resource sent": 1_024,
        "jumpstarter_call_duration board resource resource milliseconds": { count: 1, sum: 0 }
      })
    }))

  it.scoped("of transfers that are received", () =>
    Effect.gen(function*() {
      const board = yield* connect("received")
      yield* Effect.scoped(
        Effect.flatMap(board.resource(Resource.sink(Sink.drain)), (handle) => board.call("dump", handle))
      )
      strictEqual((yield* metricsOf("received"))["jumpstarter_bytes board resource resource received"], 1_024)
    }))

  it.scoped("also have the labels of the program", () =>
    Effect.gen(function*() {
      const board = yield* connect("labels")
      yield* Effect.tagMetrics(board.call("on"), "job", "17")
      assertTrue("jumpstarter_calls board on call 17" in (yield* metricsOf("labels")))
    }))

  it.effect("of a connection that is re-established", () => {
    const count = Effect.map(metricsOf("memory"), (metrics) => Number(metrics["jumpstarter_reconnects"] ?? 0))
    return Effect.gen(function*() {
      const exporter = yield* FaultyExporter.FaultyExporter
      const power = yield* ExporterConnection.driver("power")
      const before = yield* count
      yield* exporter.dropConnection
      yield* Effect.flip(power.call("on"))
      const waiting = yield* Effect.fork(power.call("on"))
      yield* TestClock.adjust("3 seconds")
      strictEqual(yield* count, before)
      yield* exporter.restart
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
      strictEqual(yield* count, before + 1)
    }).pipe(
      Effect.provide(FaultyExporter.layer(
        {
          power: Driver.make({ client: "example.client.PowerClient", methods: { on: Driver.call(() => Effect.void) } })
        },
        { reconnect: Schedule.spaced("1 second") }
      ))
    )
  })
})
