import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Option, Ref, Schedule, Stream, Supervisor } from "effect"
import * as net from "node:net"
import type * as Endpoint from "../../src/grpc/Endpoint.ts"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import { utf8 } from "../support/bytes.ts"
import { selfSigned } from "../support/certificates.ts"
import { messages } from "../support/messages.ts"
import * as Probe from "../support/probe.ts"
import * as raw from "../support/rawGrpc.ts"
import * as rawHttp2 from "../support/rawHttp2.ts"
import * as temporary from "../support/temporary.ts"

const localhost = { host: "127.0.0.1", port: 0 } as const

const echo = new Map<string, GrpcHandler>([["/t.S/Echo", GrpcHandler.Unary({ handle: Effect.succeed })]])

const portOf = (endpoint: Endpoint.Endpoint): number => endpoint._tag === "Unix" ? 0 : endpoint.port

const urlOf = (endpoint: Endpoint.Endpoint): string => `http://127.0.0.1:${portOf(endpoint)}`

const soon = Effect.timeoutFail({ duration: "5 seconds", onTimeout: () => new Error("it did not come true") })

describe("maxConcurrentStreams", () => {
  // Handlers that run until the gate opens, and their number.
  const gated = Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const running = yield* Ref.make(0)
    const handlers = new Map<string, GrpcHandler>([[
      "/t.S/Wait",
      GrpcHandler.Unary({
        handle: (message) =>
          Effect.as(Effect.zipRight(Ref.update(running, (n) => n + 1), Deferred.await(gate)), message)
      })
    ]])
    return { gate, handlers, running: Ref.get(running) }
  })

  it.scopedLive("holds calls of one connection back until others have ended", () =>
    Effect.gen(function*() {
      const { gate, handlers, running } = yield* gated
      const endpoint = yield* GrpcServer.serve(handlers, localhost, { maxConcurrentStreams: 3 })
      const channel = yield* GrpcChannel.fromEndpoint(endpoint)
      const call = channel.unary("/t.S/Wait", utf8("x"))
      const calls = yield* Effect.fork(Effect.all(Array.from({ length: 5 }, () => call), { concurrency: "unbounded" }))
      yield* soon(Effect.repeat(running, { until: (n) => n === 3, schedule: Schedule.spaced("5 millis") }))
      // Another connection has its own limit.
      const other = yield* GrpcChannel.fromEndpoint(endpoint)
      const third = yield* Effect.fork(other.unary("/t.S/Wait", utf8("x")))
      yield* soon(Effect.repeat(running, { until: (n) => n === 4, schedule: Schedule.spaced("5 millis") }))
      // A fourth call of the first connection would have started by now.
      yield* Effect.sleep("50 millis")
      assert.strictEqual(yield* running, 4)
      yield* Deferred.succeed(gate, undefined)
      assert.lengthOf(yield* soon(Fiber.join(calls)), 5)
      yield* soon(Fiber.join(third))
    }))

  it.scopedLive("is 2,048 by default", () =>
    Effect.gen(function*() {
      const session = yield* raw.connect(urlOf(yield* GrpcServer.serve(echo, localhost)))
      yield* raw.ask(session, { path: "/t.S/Echo", body: raw.prefixed(utf8("x")) })
      assert.strictEqual(session.remoteSettings.maxConcurrentStreams, 2_048)
    }))

  it.scopedLive("refuses the calls of a client that ignores the limit", () =>
    Effect.gen(function*() {
      const { handlers, running } = yield* gated
      const endpoint = yield* GrpcServer.serve(handlers, localhost, { maxConcurrentStreams: 3 })
      const { Flag, Type, call, dialPort, frame, hello, repeat, say } = rawHttp2
      const calls = repeat(5, (index) => {
        const stream = 2 * index + 1
        return Buffer.concat([
          call(stream, "/t.S/Wait"),
          frame(Type.data, Flag.endStream, stream, raw.prefixed(utf8("x")))
        ])
      })
      assert.strictEqual(yield* say(dialPort(portOf(endpoint)), Buffer.concat([hello, calls]), "the RPC"), "the RPC")
      assert.strictEqual(yield* running, 3)
    }))

  // Python's client counts a byte stream as open until its garbage collector finds it.
  it.scopedLive("does not hold back a client on gRPC's library in C, which counts streams that have ended", () =>
    Effect.gen(function*() {
      const { handlers, running } = yield* gated
      const session = yield* raw.connect(
        urlOf(yield* GrpcServer.serve(handlers, localhost, { maxConcurrentStreams: 3 }))
      )
      const headers = { "user-agent": "grpc-python/1.85.0 grpc-c/58.0.0 (linux; chttp2)" }
      const call = raw.ask(session, { path: "/t.S/Wait", headers, body: raw.prefixed(utf8("x")) })
      yield* Effect.fork(call)
      yield* soon(Effect.repeat(
        Effect.sync(() => session.remoteSettings.maxConcurrentStreams),
        { until: (limit) => limit === 2 ** 32 - 1, schedule: Schedule.spaced("5 millis") }
      ))
      yield* Effect.fork(Effect.all([call, call], { concurrency: "unbounded" }))
      yield* soon(Effect.repeat(running, { until: (n) => n === 3, schedule: Schedule.spaced("5 millis") }))
      const { code, details } = yield* call
      assert.strictEqual(code, "RESOURCE_EXHAUSTED")
      assert.include(details, "3 calls and streams open")
      assert.strictEqual(yield* running, 3)
    }))
})

it.scopedLive("maxConnections closes further connections immediately", () =>
  Effect.gen(function*() {
    const endpoint = yield* GrpcServer.serve(echo, localhost, { maxConnections: 2 })
    const ask = (channel: GrpcChannel.Channel) => channel.unary("/t.S/Echo", utf8("x"))
    const open = Effect.tap(GrpcChannel.fromEndpoint(endpoint), ask)
    const first = yield* open
    yield* Effect.scoped(Effect.gen(function*() {
      yield* open
      const error = yield* Effect.flip(open)
      assert.strictEqual(error.origin, "transport")
      assert.strictEqual(error.code, "UNAVAILABLE")
      yield* ask(first)
    }))
    yield* soon(Effect.retry(Effect.scoped(open), { schedule: Schedule.spaced("5 millis") }))
  }))

describe("maxMessageBytes", () => {
  const lengths = (options: GrpcServer.ServerOptions) =>
    Effect.gen(function*() {
      const endpoint = yield* GrpcServer.serve(echo, localhost, options)
      const session = yield* raw.connect(urlOf(endpoint))
      return (length: number) => raw.ask(session, { path: "/t.S/Echo", body: raw.prefixed(new Uint8Array(length)) })
    })

  it.scopedLive("refuses larger messages", () =>
    Effect.gen(function*() {
      const send = yield* lengths({ maxMessageBytes: 1_000 })
      assert.strictEqual((yield* send(1_000)).code, "OK")
      const { code, details } = yield* send(1_001)
      assert.strictEqual(code, "RESOURCE_EXHAUSTED")
      assert.include(details, "1001 vs 1000")
    }))

  it.scopedLive("cannot exceed the limit of the protocol", () =>
    Effect.gen(function*() {
      const send = yield* lengths({ maxMessageBytes: 5_000_000 })
      assert.strictEqual((yield* send(4 * 1024 * 1024)).code, "OK")
      assert.strictEqual((yield* send(4 * 1024 * 1024 + 1)).code, "RESOURCE_EXHAUSTED")
    }))

  it.scopedLive("is one of the options of serving an exporter", () =>
    Effect.gen(function*() {
      const driver = Driver.make({ client: "c", methods: { echo: Driver.call((args) => Effect.succeed(args)) } })
      const exporter = yield* Exporter.make(driver)
      const session = yield* raw.connect(urlOf(yield* Exporter.serve(exporter, localhost, { maxMessageBytes: 1_000 })))
      const body = raw.callOf("no uuid", "echo", raw.text("x".repeat(1_000)))
      assert.strictEqual((yield* raw.ask(session, { path: raw.rpc.call, body })).code, "RESOURCE_EXHAUSTED")
    }))
})

describe("requestTimeout", () => {
  const handlers = new Map<string, GrpcHandler>([
    ["/t.S/Slow", GrpcHandler.Unary({ handle: (message) => Effect.delay(Effect.succeed(message), "400 millis") })],
    ["/t.S/Items", GrpcHandler.ServerStreaming({ handle: (message) => Stream.make(message) })],
    ["/t.S/Bytes", GrpcHandler.Duplex({ handle: ({ receive }) => Stream.runDrain(messages(receive)) })]
  ])
  const served = Effect.flatMap(
    GrpcServer.serve(handlers, localhost, { requestTimeout: "100 millis" }),
    (endpoint) => raw.connect(urlOf(endpoint))
  )
  const expected = {
    http: 200,
    code: "DEADLINE_EXCEEDED",
    details: "the request message did not arrive within 100ms (requestTimeout)"
  } as const

  const unfinished: ReadonlyArray<readonly [string, Uint8Array | undefined]> = [
    ["no request", undefined],
    ["half a request", raw.prefixed(utf8("half"), { length: 8 })],
    ["a request without an end", raw.prefixed(utf8("whole"))]
  ]
  for (const [name, body] of unfinished) {
    it.scopedLive(`ends calls with ${name}`, () =>
      Effect.gen(function*() {
        const session = yield* served
        for (const path of ["/t.S/Slow", "/t.S/Items"]) {
          const { code, details, http } = yield* soon(raw.ask(session, { path, body, open: true }))
          assert.deepStrictEqual({ code, details, http }, expected)
        }
      }))
  }

  it.scopedLive("begins anew with each call", () =>
    Effect.gen(function*() {
      const session = yield* served
      const late = { path: "/t.S/Slow", open: true }
      const first = yield* Effect.fork(raw.ask(session, late))
      yield* Effect.sleep("50 millis")
      const [second] = yield* Effect.timed(soon(raw.ask(session, late)))
      assert.isAtLeast(Duration.toMillis(second), 99)
      assert.strictEqual((yield* soon(Fiber.join(first))).code, "DEADLINE_EXCEEDED")
    }))

  it.scopedLive("may be longer than Node's timers allow", () =>
    Effect.gen(function*() {
      const endpoint = yield* GrpcServer.serve(handlers, localhost, { requestTimeout: "30 days" })
      const session = yield* raw.connect(urlOf(endpoint))
      const stream = raw.begin(session, { path: "/t.S/Items", open: true })
      let answered = false
      stream.on("response", () => {
        answered = true
      })
      // A limit that does not fit into a timer would have passed at once.
      yield* Effect.sleep("50 millis")
      assert.isFalse(answered)
    }))

  it.scopedLive("limits neither the response nor a silent stream", () =>
    Effect.gen(function*() {
      const session = yield* served
      const silent = yield* Effect.fork(raw.ask(session, { path: "/t.S/Bytes", open: true }))
      const slow = yield* raw.ask(session, { path: "/t.S/Slow", body: raw.prefixed(utf8("x")) })
      assert.strictEqual(slow.code, "OK")
      assert.isTrue(Option.isNone(yield* Fiber.poll(silent)))
    }))
})

describe("keepaliveTime", () => {
  const options = { keepaliveTime: "100 millis", keepaliveTimeout: "200 millis" } as const

  // Serves a stream to a peer that sends only what opens the stream, and answers no pings.
  const vanished = Effect.fnUntraced(function*(listen: GrpcServer.Listen, options: GrpcServer.ServerOptions) {
    const device = yield* Probe.make
    const handlers = new Map<string, GrpcHandler>([
      ["/t.S/Stream", GrpcHandler.Duplex({ handle: () => device.watch(Effect.never) })]
    ])
    const port = portOf(yield* GrpcServer.serve(handlers, listen, options))
    const socket = yield* rawHttp2.dial(() =>
      "path" in listen ? net.connect(listen.path) : net.connect(port, "127.0.0.1")
    )
    socket.resume().write(Buffer.concat([rawHttp2.hello, rawHttp2.call(1, "/t.S/Stream")]))
    yield* soon(device.started)
    return device
  })

  it.scopedLive("releases the device of a peer that silently disappears", () =>
    Effect.gen(function*() {
      const device = yield* vanished(localhost, options)
      const [took] = yield* Effect.timed(soon(device.finalized))
      assert.isAbove(Duration.toMillis(took), 100)
    }))

  it.scopedLive("keeps peers that answer", () =>
    Effect.gen(function*() {
      const device = yield* Probe.make
      const handlers = new Map<string, GrpcHandler>([
        ["/t.S/Stream", GrpcHandler.Duplex({ handle: () => device.watch(Effect.never) })]
      ])
      const { ca, certificate } = yield* selfSigned("localhost")
      for (const listen of [localhost, { ...localhost, certificate }]) {
        const endpoint = yield* GrpcServer.serve(handlers, listen, { ...options, keepaliveTimeout: "5 seconds" })
        const session = yield* raw.connect(
          endpoint._tag === "Tls" ? `https://localhost:${endpoint.port}` : urlOf(endpoint),
          { ca }
        )
        const pinged = Effect.async<void>((resume) => {
          session.once("ping", () => resume(Effect.void))
        })
        raw.begin(session, { path: "/t.S/Stream", open: true })
        yield* soon(device.started)
        for (let round = 0; round < 3; round++) yield* soon(pinged)
        assert.strictEqual(yield* device.finalizations, 0)
      }
    }))

  it.scopedLive("does not delay the end of a connection that is gone", () =>
    Effect.gen(function*() {
      const supervisor = yield* Supervisor.track
      const endpoint = yield* Effect.supervised(GrpcServer.serve(echo, localhost), supervisor)
      const fibers = Effect.map(supervisor.value, (fibers) => fibers.length)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* GrpcChannel.fromEndpoint(endpoint).pipe(
          Effect.flatMap((channel) => channel.unary("/t.S/Echo", utf8("x")))
        )
        assert.strictEqual(yield* fibers, 1)
      }))
      yield* soon(Effect.repeat(fibers, { until: (n) => n === 0, schedule: Schedule.spaced("5 millis") }))
    }))

  it.scopedLive("sends no pings when it is infinite", () =>
    Effect.gen(function*() {
      const device = yield* vanished(localhost, { ...options, keepaliveTime: Duration.infinity })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.timeout(device.finalized, "500 millis"))))
    }))

  it.scopedLive("sends no pings on a Unix socket", () =>
    Effect.gen(function*() {
      const device = yield* vanished({ path: yield* temporary.socketPath }, options)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.timeout(device.finalized, "500 millis"))))
    }))
})
