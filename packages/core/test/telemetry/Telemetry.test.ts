// Spans on both sides, and their connection over the wire.
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { inspect } from "node:util"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import { GrpcHandler, type GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import * as Metadata from "../../src/grpc/Metadata.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as DriverFailure from "../../src/protocol/DriverFailure.ts"
import * as Resource from "../../src/resource/Resource.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as spans from "../support/spans.ts"
import { type Transport, transports } from "../support/transports.ts"

const board = (hanging?: Deferred.Deferred<void>) =>
  Driver.composite({
    power: Driver.make({
      client: "jumpstarter_driver_power.client.PowerClient",
      methods: {
        on: Driver.call(() => Effect.withSpan(Effect.void, "close the relay")),
        off: Driver.call(() => DriverFailure.make("Device", "the relay is stuck")),
        break: Driver.call(() => Effect.die(new TypeError("no such relay"))),
        hang: Driver.call(() =>
          Effect.zipRight(hanging === undefined ? Effect.void : Deferred.succeed(hanging, undefined), Effect.never)
        ),
        read: Driver.streamingCall(() => Stream.withSpan(Stream.range(1, 3), "measure")),
        drift: Driver.streamingCall(() => Stream.concat(Stream.make(1), DriverFailure.make("Timeout", "no reading")))
      }
    }),
    console: Driver.make({
      client: "jumpstarter_driver_pyserial.client.PySerialClient",
      methods: {
        connect: Driver.streamTransform((input) => input),
        cut: Driver.streamTransform((input) =>
          Stream.concat(Stream.take(input, 1), DriverFailure.make("Device", "unplugged"))
        )
      }
    }),
    storage: Driver.make({
      client: "jumpstarter_driver_opendal.client.FlasherClient",
      methods: {
        flash: Driver.call(([image], { resource }) =>
          Effect.scoped(Effect.flatMap(resource(image), ({ read }) => Stream.runDrain(read)))
        )
      }
    })
  })

// Adds the metadata of each driver RPC to `sent`.
const remember = (handlers: GrpcHandlers, sent: Array<Metadata.Metadata["entries"]>): GrpcHandlers =>
  new Map(Array.from(handlers, ([rpc, handler]) => {
    if (!/Driver|Stream$/.test(rpc) || rpc.endsWith("LogStream")) return [rpc, handler]
    return [
      rpc,
      GrpcHandler.$match(handler, {
        Unary: ({ handle }) =>
          GrpcHandler.Unary({
            handle: (message, request) => (sent.push(request.metadata.entries), handle(message, request))
          }),
        ServerStreaming: ({ handle }) =>
          GrpcHandler.ServerStreaming({
            handle: (message, request) => (sent.push(request.metadata.entries), handle(message, request))
          }),
        Duplex: ({ handle }) =>
          GrpcHandler.Duplex({ handle: (duplex) => (sent.push(duplex.metadata.entries), handle(duplex)) })
      })
    ]
  }))

const connect = Effect.fnUntraced(function*(
  { serve }: Transport,
  options: { readonly hanging?: Deferred.Deferred<void>; readonly metadata?: Metadata.Metadata } = {}
) {
  const sent: Array<Metadata.Metadata["entries"]> = []
  const { handlers } = yield* Exporter.make(board(options.hanging), { localLogs: false })
  const channel = yield* Effect.flatten(Effect.map(serve(remember(handlers, sent)), (open) => open()))
  const connection = yield* ExporterConnection.fromChannel(
    options.metadata === undefined ? channel : GrpcChannel.withMetadata(channel, options.metadata)
  )
  return { ...connection, sent }
})

const code = ({ attributes }: spans.Ended) => attributes["rpc.grpc.status_code"]

const endedOnClient = ({ ended }: ReturnType<typeof spans.make>) =>
  ended.filter(({ kind }) => kind === "client").map(({ name }) => name)

const sockets = transports.filter(({ name }) => name === "memory" || name === "unix")

describe.each(sockets)("over $name", (transport) => {
  const test = <A, E>(
    name: string,
    body: (seen: ReturnType<typeof spans.make>) => Effect.Effect<A, E, Scope.Scope>
  ) =>
    transport.it(name, () => {
      const seen = spans.make()
      return Effect.withTracer(body(seen), seen.tracer)
    })

  test("a call is a span on either side, named like its errors", (seen) =>
    Effect.gen(function*() {
      const { address, driver, sent } = yield* connect(transport)
      const power = yield* driver("power")
      yield* Effect.withSpan(power.call("on"), "test")
      const client = yield* seen.await("client", "call power.on")
      const server = yield* seen.await("server", "call power.on")
      const test = yield* seen.await("internal", "test")
      const relay = yield* seen.await("internal", "close the relay")
      deepStrictEqual(client.attributes, {
        "rpc.system": "grpc",
        "rpc.service": "jumpstarter.v1.ExporterService",
        "rpc.method": "DriverCall",
        "rpc.grpc.status_code": 0,
        "server.address": address.replace("unix:", ""),
        "jumpstarter.driver": "power",
        "jumpstarter.method": "on",
        "jumpstarter.exporter": address
      })
      deepStrictEqual(server.attributes, {
        "rpc.system": "grpc",
        "rpc.service": "jumpstarter.v1.ExporterService",
        "rpc.method": "DriverCall",
        "rpc.grpc.status_code": 0,
        "jumpstarter.driver": "power",
        "jumpstarter.method": "on"
      })
      deepStrictEqual([client.parent, server.parent, relay.parent], [test.spanId, client.spanId, server.spanId])
      deepStrictEqual(sent.map((entries) => [entries.get("b3"), entries.get("traceparent")]), [
        [undefined, `00-${client.traceId}-${client.spanId}-01`]
      ])
      // The connection, status requests and the log get no span: only calls of drivers do.
      strictEqual(seen.begun(), 4)
    }))

  test("a failure has the tag of its error, and its status", (seen) =>
    Effect.gen(function*() {
      const { driver } = yield* connect(transport)
      const power = yield* driver("power")
      yield* Effect.flip(power.call("off"))
      yield* Effect.flip(power.call("break"))
      yield* Effect.flip(power.call("sing"))
      yield* Effect.flip(power.call("on", NaN))
      const spansOf = (kind: string) =>
        seen.ended.filter((span) => span.kind === kind).map((span) => [
          span.name,
          span.attributes["error.type"],
          code(span),
          Exit.isFailure(span.exit)
        ])
      deepStrictEqual(spansOf("client"), [
        ["call power.off", "DriverError", 13, true],
        ["call power.break", "DriverError", 2, true],
        ["call power.sing", "MethodNotImplemented", 5, true],
        ["call power.on", "InvalidArgument", 3, true]
      ])
      // The server makes no span for a missing method, because the peer chooses its name.
      yield* seen.await("server", "call power.break")
      deepStrictEqual(spansOf("server"), [
        ["call power.off", "INTERNAL", 13, true],
        ["call power.break", "TypeError", 2, true]
      ])
    }))

  test("an interruption is not a failure", (seen) =>
    Effect.gen(function*() {
      const hanging = yield* Deferred.make<void>()
      const { driver } = yield* connect(transport, { hanging })
      const power = yield* driver("power")
      const fiber = yield* Effect.fork(power.call("hang"))
      yield* Deferred.await(hanging)
      yield* Fiber.interrupt(fiber)
      for (const kind of ["client", "server"] as const) {
        const span = yield* seen.await(kind, "call power.hang")
        deepStrictEqual([code(span), span.attributes["error.type"]], [1, undefined])
        assertTrue(Exit.isFailure(span.exit) && Cause.isInterruptedOnly(span.exit.cause), `${kind}: ${span.exit}`)
      }
    }))

  test("a streaming call lasts until its end, or as long as somebody listens", (seen) =>
    Effect.gen(function*() {
      const { driver, sent } = yield* connect(transport)
      const power = yield* driver("power")
      const readings = power.streamingCall("read")
      yield* Stream.runForEach(readings, () => Effect.sync(() => deepStrictEqual(endedOnClient(seen), [])))
      const client = yield* seen.await("client", "streaming call power.read")
      const server = yield* seen.await("server", "streaming call power.read")
      const measure = yield* seen.await("internal", "measure")
      deepStrictEqual([client.attributes["rpc.method"], code(client), code(server)], ["StreamingDriverCall", 0, 0])
      deepStrictEqual([server.parent, measure.parent], [client.spanId, server.spanId])
      strictEqual(sent[0]?.get("traceparent"), `00-${client.traceId}-${client.spanId}-01`)

      seen.ended.length = 0
      yield* Stream.runHead(readings)
      strictEqual(code(yield* seen.await("client", "streaming call power.read")), 0)

      yield* Effect.flip(Stream.runDrain(power.streamingCall("drift")))
      const failed = yield* seen.await("client", "streaming call power.drift")
      deepStrictEqual([failed.attributes["error.type"], code(failed)], ["DriverError", 4])
      strictEqual(
        (yield* seen.await("server", "streaming call power.drift")).attributes["error.type"],
        "DEADLINE_EXCEEDED"
      )
    }))

  test("a byte stream lasts until its scope closes, and counts its bytes", (seen) =>
    Effect.gen(function*() {
      const { driver } = yield* connect(transport)
      const console = yield* driver("console")
      const scope = yield* Scope.make()
      const stream = yield* Scope.extend(console.stream("connect"), scope)
      yield* stream.write(new Uint8Array(300))
      yield* stream.end
      yield* Stream.runDrain(stream.read)
      deepStrictEqual(endedOnClient(seen), [])
      yield* Scope.close(scope, Exit.fail("of something else"))
      const client = yield* seen.await("client", "stream console.connect")
      const server = yield* seen.await("server", "stream console.connect")
      deepStrictEqual([client.attributes["rpc.service"], client.attributes["rpc.method"]], [
        "jumpstarter.v1.RouterService",
        "Stream"
      ])
      deepStrictEqual([client.attributes["jumpstarter.bytes_sent"], client.attributes["jumpstarter.bytes_received"]], [
        300,
        300
      ])
      deepStrictEqual([code(client), client.exit], [0, Exit.void])
      strictEqual(server.parent, client.spanId)
    }))

  test("a byte stream that breaks off has failed, regardless of its scope's outcome", (seen) =>
    Effect.gen(function*() {
      const { driver } = yield* connect(transport)
      const console = yield* driver("console")
      yield* Effect.scoped(Effect.gen(function*() {
        const stream = yield* console.stream("cut")
        yield* stream.write(new Uint8Array(3))
        yield* Effect.flip(Stream.runDrain(stream.read))
      }))
      const client = yield* seen.await("client", "stream console.cut")
      deepStrictEqual([client.attributes["error.type"], code(client)], ["DriverError", 13])
      yield* Effect.scoped(Effect.flip(console.stream("disconnect")))
      const unknown = yield* seen.await("client", "stream console.disconnect")
      deepStrictEqual([unknown.attributes["error.type"], code(unknown)], ["MethodNotImplemented", 5])
    }))

  test("a byte stream whose scope is interrupted was cancelled", (seen) =>
    Effect.gen(function*() {
      const { driver } = yield* connect(transport)
      const console = yield* driver("console")
      const opened = yield* Deferred.make<void>()
      const fiber = yield* console.stream("connect").pipe(
        Effect.zipRight(Deferred.succeed(opened, undefined)),
        Effect.zipRight(Effect.never),
        Effect.scoped,
        Effect.fork
      )
      yield* Deferred.await(opened)
      yield* Fiber.interrupt(fiber)
      const client = yield* seen.await("client", "stream console.connect")
      deepStrictEqual([code(client), client.attributes["error.type"]], [1, undefined])
      assertTrue(Exit.isFailure(client.exit) && Cause.isInterruptedOnly(client.exit.cause))
    }))

  test("a transfer counts its bytes, and is separate from the call that uses it", (seen) =>
    Effect.gen(function*() {
      const { driver } = yield* connect(transport)
      const storage = yield* driver("storage")
      const image = Resource.source(Stream.make(new Uint8Array(1_000), new Uint8Array(24)))
      yield* Effect.scoped(Effect.flatMap(storage.resource(image), (handle) => storage.call("flash", handle)))
      const client = yield* seen.await("client", "transfer storage.resource")
      const server = yield* seen.await("server", "transfer storage.resource")
      const call = yield* seen.await("client", "call storage.flash")
      deepStrictEqual([client.attributes["jumpstarter.bytes_sent"], code(client), code(call)], [1_024, 0, 0])
      strictEqual(server.parent, client.spanId)

      seen.ended.length = 0
      yield* Effect.scoped(storage.resource(image))
      const unused = yield* seen.await("client", "transfer storage.resource")
      deepStrictEqual([code(unused), unused.attributes["error.type"]], [1, undefined])
    }))

  test("arguments are not shown", (seen) =>
    Effect.gen(function*() {
      const { driver } = yield* connect(transport)
      const power = yield* driver("power")
      yield* power.call("on", { password: "correct-horse" })
      yield* Stream.runDrain(power.streamingCall("read", "correct-horse"))
      yield* seen.await("server", "streaming call power.read")
      assertTrue(seen.ended.length >= 4)
      assertTrue(!inspect(seen.ended, { depth: Infinity }).includes("correct-horse"))
    }))

  test("with tracing disabled there is no span, and nothing is sent", (seen) =>
    Effect.gen(function*() {
      const { driver, sent } = yield* Effect.withTracerEnabled(connect(transport), false)
      const power = yield* driver("power")
      yield* Effect.withSpan(Effect.withTracerEnabled(power.call("on"), false), "test")
      deepStrictEqual(seen.ended.map(({ name }) => name), ["test"])
      deepStrictEqual(sent.map((entries) => entries.get("traceparent")), [undefined])
    }))

  transport.it("without a tracer nothing is sent", () =>
    Effect.gen(function*() {
      const { driver, sent } = yield* connect(transport)
      const power = yield* driver("power")
      yield* Effect.withSpan(power.call("on"), "test")
      yield* Effect.scoped(Effect.flatMap(driver("console"), ({ stream }) => stream("connect")))
      deepStrictEqual(sent.map((entries) => entries.get("traceparent")), [undefined, undefined])
    }))

  for (
    const traceparent of [
      "",
      "00",
      `00-${"0".repeat(32)}-${"a".repeat(16)}-01`,
      `00-${"a".repeat(32)}-${"0".repeat(16)}-01`,
      `00-${"a".repeat(33)}-${"a".repeat(16)}-01`,
      `ff-${"a".repeat(32)}-${"a".repeat(16)}-01`,
      "00-../../etc/passwd-x-01",
      "-".repeat(4_000)
    ]
  ) {
    test(`a host ignores the traceparent ${JSON.stringify(traceparent.slice(0, 60))}`, (seen) =>
      Effect.gen(function*() {
        const { driver } = yield* connect(transport, { metadata: Metadata.make({ traceparent }) })
        const power = yield* driver("power")
        yield* Effect.withTracerEnabled(power.call("on"), false)
        strictEqual((yield* seen.await("server", "call power.on")).parent, undefined)
      }))
  }
})

describe("tracers", () => {
  const memory = transports.find(({ name }) => name === "memory") ?? transports[0]!

  it.scoped("that name traces differently from W3C do not fail calls", () =>
    Effect.gen(function*() {
      const seen = spans.make(() => "the trace of « μ »")
      const { driver, sent } = yield* connect(memory)
      const power = yield* driver("power")
      yield* Effect.withTracer(power.call("on"), seen.tracer)
      strictEqual((yield* seen.await("client", "call power.on")).attributes["rpc.grpc.status_code"], 0)
      deepStrictEqual(sent.map((entries) => entries.get("traceparent")), [undefined])
    }))

  it.scoped("use Effect's clock, unless disabled", () =>
    Effect.gen(function*() {
      const seen = spans.make()
      const hanging = yield* Deferred.make<void>()
      const { driver } = yield* connect(memory, { hanging })
      const power = yield* driver("power")
      for (const timing of [true, false]) {
        const fiber = yield* power.call("hang").pipe(
          Effect.timeoutOption("3 seconds"),
          Effect.withTracer(seen.tracer),
          Effect.withTracerTiming(timing),
          Effect.fork
        )
        yield* Deferred.await(hanging)
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(fiber)
      }
      deepStrictEqual(seen.ended.map(({ nanos }) => nanos), [3_000_000_000n, 0n])
    }))
})
