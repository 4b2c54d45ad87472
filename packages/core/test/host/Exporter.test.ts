import {
  Driver,
  type DriverClient,
  DriverFailure,
  Exporter,
  ExporterConnection,
  GrpcChannel,
  GrpcServer,
  type LogEntry,
  Resource
} from "@effect-jumpstarter/core"
import type { DriverCallError } from "@effect-jumpstarter/core/DriverError"
import type { JsonValue } from "@effect-jumpstarter/core/ProtobufValue"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Logger, LogLevel, Redacted, Sink, Stream, TestClock } from "effect"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as temporary from "../support/temporary.ts"

const withDevice = <A, E, R>(
  methods: Driver.Driver["methods"],
  use: Effect.Effect<A, E, R>
) => Effect.provide(use, ExporterTest.layer({ device: Driver.make({ client: "device", methods }) }))

const device = ExporterConnection.driver("device")

describe("Exporter", () => {
  it.effect("lets drivers log any value", () => {
    const cyclic: Record<string, unknown> = {}
    cyclic["me"] = cyclic
    return withDevice(
      {
        log: Driver.call(() =>
          Effect.log({ n: 1n }, cyclic, undefined, Symbol("s")).pipe(Effect.annotateLogs({ f: () => 1, u: undefined }))
        )
      },
      Effect.gen(function*() {
        assert.isNull(yield* (yield* device).call("log"))
      })
    )
  })

  // Effect itself logs a line about a fiber that failed.
  it.effect("sends readers of its log only what drivers logged", () =>
    withDevice(
      {
        fail: Driver.call(() => DriverFailure.make("Device", "no answer")),
        on: Driver.call(() => Effect.logDebug("clicked"))
      },
      Effect.gen(function*() {
        const { logs } = yield* ExporterConnection.ExporterConnection
        const client = yield* device
        yield* Effect.flip(client.call("fail"))
        yield* client.call("on")
        const lines = yield* Stream.runCollect(Stream.take(logs, 5))
        assert.deepStrictEqual(
          Array.from(lines, (event) => event._tag === "LogEntry" ? event.message : ""),
          ["Operation started", "Operation failed", "Operation started", "clicked", "Operation completed"]
        )
      })
    ).pipe(Logger.withMinimumLogLevel(LogLevel.Debug)))

  it.scoped("fails the transfer when a driver breaks off a download, and the call with the driver's reason", () =>
    withDevice(
      {
        dump: Driver.call(([handle], { resource }) =>
          Effect.scoped(Effect.gen(function*() {
            const { write } = yield* resource(handle)
            yield* write(Stream.make(new Uint8Array(10)))
            return yield* DriverFailure.make("Device", "read error at sector 1")
          }))
        )
      },
      Effect.gen(function*() {
        const client = yield* device
        const handle = yield* client.resource(Resource.sink(Sink.count))
        const error = yield* Effect.flip(client.call("dump", handle))
        assert.strictEqual(error._tag, "DriverError")
        assert.strictEqual(error.message, "call device.dump failed (INTERNAL): read error at sector 1")
        assert.isTrue(Exit.isFailure(yield* Effect.exit(handle.result)))
      })
    ))

  it.scoped("does not blame a driver for the time the client's sink takes", () =>
    withDevice(
      {
        dump: Driver.call(([handle], { resource }) =>
          Effect.scoped(Effect.flatMap(resource(handle), ({ write }) => write(Stream.make(new Uint8Array(10)))))
        )
      },
      Effect.gen(function*() {
        const client = yield* device
        const slow = Sink.drain.pipe(Sink.mapEffect(() => Effect.sleep("15 seconds")))
        const handle = yield* client.resource(Resource.sink(slow))
        const call = yield* Effect.fork(client.call("dump", handle))
        yield* TestClock.adjust("30 seconds")
        assert.isNull(yield* Fiber.join(call))
      })
    ))

  it.scoped("bounds the resources that wait to be used", () =>
    withDevice(
      {},
      Effect.gen(function*() {
        const client = yield* device
        const open = client.resource(Resource.source(Stream.never))
        yield* Effect.replicateEffect(open, 64)
        const error = yield* Effect.flip(open)
        assert.strictEqual(error.code, "RESOURCE_EXHAUSTED")
      })
    ))

  it.scopedLive("leaves files alone that are not sockets", () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const exporter = yield* Exporter.make(Driver.composite({}))
      const file = join(directory, "firmware.img")
      yield* Effect.promise(() => writeFile(file, "precious"))
      yield* Effect.promise(() => mkdir(join(directory, "folder")))
      for (const path of [file, join(directory, "folder")]) {
        const error = yield* Effect.flip(Exporter.serve(exporter, { path }))
        assert.instanceOf(error, GrpcServer.GrpcServerError)
      }
      assert.strictEqual(yield* Effect.promise(() => readFile(file, "utf8")), "precious")
    }))
})

// A handler is a driver's code from its first line on, not only in the effect it returns.
describe("a driver's failure", () => {
  const broken = Driver.make({
    client: "meter",
    methods: {
      call: Driver.call(() => DriverFailure.make("Device", "the relay is stuck", new Error("EIO"))),
      items: Driver.streamingCall(() => Stream.fail(DriverFailure.make("Timeout", "no reading"))),
      bytes: Driver.stream(DriverFailure.make("Connection", "no cable", new Error("ENODEV")))
    }
  })

  const told = (localLogs: boolean) => {
    const lines: Array<string> = []
    const logger = Logger.make(({ cause, logLevel, message }) => {
      lines.push(`${logLevel.label} ${message} ${Cause.pretty(cause, { renderErrorCause: true })}`)
    })
    return Effect.gen(function*() {
      const exporter = yield* Exporter.make(Driver.composite({ meter: broken }), { localLogs })
      const channel = yield* GrpcChannel.fromHandlers(exporter.handlers)
      const connection = yield* ExporterConnection.fromChannel(channel)
      const meter = yield* connection.driver("meter")
      yield* Effect.flip(meter.call("call"))
      yield* Effect.flip(Stream.runDrain(meter.streamingCall("items")))
      yield* Effect.flip(Effect.scoped(meter.stream("bytes")))
      yield* Effect.flip(meter.call("none"))
      return lines
    }).pipe(Effect.scoped, Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
  }

  it.effect("is logged on the host, with its cause", () =>
    Effect.gen(function*() {
      const [call, items, bytes, ...rest] = yield* told(true)
      assert.match(call ?? "", /^WARN call meter\.call failed .*the relay is stuck.*EIO/s)
      assert.match(items ?? "", /^WARN streaming call meter\.items failed .*no reading/s)
      assert.match(bytes ?? "", /^WARN stream meter\.bytes failed .*no cable.*ENODEV/s)
      assert.deepStrictEqual(rest, [])
    }))

  it.effect("is not logged on the host when `localLogs` is off", () =>
    Effect.map(told(false), (lines) => assert.deepStrictEqual(lines, [])))
})

describe("a handler that throws", () => {
  const refuse = (): never => {
    throw new Error("out of order")
  }

  for (
    const [kind, use] of [
      ["call", (client: DriverClient.DriverClient) => client.call("call")],
      ["streaming call", (client: DriverClient.DriverClient) => Stream.runDrain(client.streamingCall("stream"))]
    ] as const
  ) {
    it.effect(`fails the ${kind}, within the log`, () =>
      withDevice(
        { call: Driver.call(refuse), stream: Driver.streamingCall(refuse) },
        Effect.gen(function*() {
          const { logs } = yield* ExporterConnection.ExporterConnection
          const lines = yield* Effect.fork(Stream.runCollect(Stream.take(logs, 3)))
          const error = yield* Effect.flip(use(yield* device))
          assert.strictEqual(error.details, "out of order")
          assert.deepStrictEqual(
            Array.from(
              yield* Fiber.join(lines),
              (event) => event._tag === "LogEntry" ? event.message.split(":")[0] : ""
            ),
            [
              "Operation started",
              `${kind} device.${kind === "call" ? "call" : "stream"} failed unexpectedly`,
              "Operation failed"
            ]
          )
        })
      ))
  }
})

// A method's result is the driver's responsibility, regardless of the arguments.
describe("a result that cannot be sent", () => {
  // As a driver returns it without a contract, or with a schema that has more than JSON.
  const untyped = (value: unknown): JsonValue => value as JsonValue

  const says = (message: string, use: (client: DriverClient.DriverClient) => Effect.Effect<unknown, DriverCallError>) =>
    withDevice(
      {
        measure: Driver.call(() => Effect.succeed({ volts: [1, NaN] })),
        now: Driver.call(() => Effect.succeed(untyped(new Date(0)))),
        read: Driver.streamingCall(() => Stream.make({ volts: 1 }, { volts: NaN }))
      },
      Effect.gen(function*() {
        const { logs } = yield* ExporterConnection.ExporterConnection
        const ended = yield* Effect.fork(Stream.runHead(Stream.filter(
          logs,
          (event): event is LogEntry.LogEntry =>
            event._tag === "LogEntry" && /^Operation (completed|failed)$/.test(event.message)
        )))
        const error = yield* Effect.flip(use(yield* device))
        assert.strictEqual(error._tag, "DriverError")
        assert.strictEqual(error.message, message)
        const entry = yield* Effect.flatten(Fiber.join(ended))
        assert.strictEqual(entry.message, "Operation failed")
        assert.deepStrictEqual(entry.fields, { result: "failure", error_type: "internal_error", error: error.details })
      })
    )

  it.effect("fails the call, and is a failure in the log", () =>
    says(
      "call device.measure failed (UNKNOWN): the driver's result cannot be sent at .volts[1]: " +
        "NaN cannot be sent, the protocol has finite numbers only",
      (client) => client.call("measure")
    ))

  it.effect("fails the call when it is not JSON", () =>
    says(
      "call device.now failed (UNKNOWN): the driver's result cannot be sent: " +
        "an instance of Date cannot be sent, convert it to plain data",
      (client) => client.call("now")
    ))

  it.effect("fails the streaming call, after what came before it", () =>
    says(
      "streaming call device.read failed (UNKNOWN): the driver's result cannot be sent at [1].volts: " +
        "NaN cannot be sent, the protocol has finite numbers only",
      (client) => {
        const seen: Array<JsonValue> = []
        return Stream.runForEach(client.streamingCall("read"), (item) => Effect.sync(() => seen.push(item))).pipe(
          Effect.tapError(() => Effect.sync(() => assert.deepStrictEqual(seen, [{ volts: 1 }])))
        )
      }
    ))
})

describe("a passphrase that metadata cannot carry", () => {
  it.scoped.each(["hünter2", "trailing\n"])("is refused without being shown: %j", (secret) =>
    Effect.gen(function*() {
      const exporter = yield* Exporter.make(Driver.composite({}))
      const channel = yield* GrpcChannel.fromHandlers(exporter.handlers)
      const error = yield* Effect.flip(
        ExporterConnection.fromChannel(channel, { passphrase: Redacted.make(secret) })
      )
      assert.strictEqual(error.reason, "Address")
      assert.match(error.details, /^the passphrase has characters other than printable ASCII/)
      assert.notInclude(JSON.stringify(error) + String(error.cause), secret.trim())
    }))
})
