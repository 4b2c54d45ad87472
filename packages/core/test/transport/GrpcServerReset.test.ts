import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Stream } from "effect"
import * as net from "node:net"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import { messages } from "../support/messages.ts"
import * as Probe from "../support/probe.ts"
import * as raw from "../support/rawGrpc.ts"
import { call, dial, Flag, frame, hello, repeat, Type, uint32 } from "../support/rawHttp2.ts"
import * as temporary from "../support/temporary.ts"

const soon = Effect.timeoutFail({ duration: "5 seconds", onTimeout: () => new Error("it did not come true") })

const serve = (handler: GrpcHandler) =>
  Effect.map(
    GrpcServer.serve(
      new Map<string, GrpcHandler>([
        ["/t.S/Rpc", handler],
        ["/t.S/Echo", GrpcHandler.Unary({ handle: Effect.succeed })]
      ]),
      { host: "127.0.0.1", port: 0 }
    ),
    (endpoint) => endpoint._tag === "Tcp" ? endpoint.port : 0
  )

const reset = frame(Type.reset, 0, 1, uint32(0))

// The server's window sizes apply once its SETTINGS are acknowledged.
const open = Buffer.concat([hello, frame(Type.settings, Flag.ack, 0), call(1, "/t.S/Rpc")])

// More bytes than are buffered for a handler that reads nothing.
const flood = repeat(255, frame(Type.data, 0, 1, raw.prefixed(new Uint8Array(4_000))))

// Node calls such a stream closed, but emits no close event until its last byte has been read.
describe("an RPC that its caller resets without an error", () => {
  it.scopedLive("ends, however much of its input is unread", () =>
    Effect.gen(function*() {
      const device = yield* Probe.make
      const port = yield* serve(GrpcHandler.Duplex({ handle: () => device.watch(Effect.never) }))
      const socket = yield* dial(() => net.connect(port, "127.0.0.1"))
      socket.resume().write(Buffer.concat([open, flood]))
      yield* soon(device.started)
      // Until the server stops reading.
      yield* Effect.sleep("100 millis")
      socket.write(reset)
      yield* soon(device.finalized)
    }))

  it.scopedLive("may fail after that", () =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const port = yield* serve(GrpcHandler.Duplex({
        handle: () =>
          Deferred.succeed(started, undefined).pipe(
            Effect.zipRight(Effect.sleep("200 millis")),
            Effect.zipRight(GrpcStatus.make("INTERNAL", "too late")),
            Effect.uninterruptible,
            Effect.ensuring(Deferred.succeed(ended, undefined))
          )
      }))
      const socket = yield* dial(() => net.connect(port, "127.0.0.1"))
      socket.resume().write(Buffer.concat([open, flood]))
      yield* soon(Deferred.await(started))
      socket.write(reset)
      yield* soon(Deferred.await(ended))
      const session = yield* raw.connect(`http://127.0.0.1:${port}`)
      const { code } = yield* soon(raw.ask(session, { path: "/t.S/Echo", body: raw.prefixed(new Uint8Array(1)) }))
      assert.strictEqual(code, "OK")
    }))
})

// The server answers with a GOAWAY, and would then read nothing more. A client that reads only when its writes are done would wait
// indefinitely.
describe("a client that resets more calls than the server allows", () => {
  it.scopedLive("can write the rest", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      yield* GrpcServer.serve(new Map([["/t.S/Rpc", GrpcHandler.Duplex({ handle: () => Effect.never })]]), { path })
      const socket = yield* dial(() => net.connect(path))
      const calls = repeat(40_000, (index) => {
        const id = 2 * index + 1
        return Buffer.concat([call(id, "/t.S/Rpc"), frame(Type.reset, 0, id, uint32(8))])
      })
      // Later releases of Node allow 20,000 of these calls.
      yield* Effect.async<void>((resume) => {
        socket.pause().write(Buffer.concat([hello, calls]), () => resume(Effect.void))
      }).pipe(Effect.timeoutFail({ duration: "25 seconds", onTimeout: () => new Error("the server does not read") }))
    }), 30_000)
})

describe("a duplex RPC whose input breaks off", () => {
  const broken = [
    {
      how: "inside a message, in good order",
      body: raw.prefixed(new Uint8Array(100)).subarray(0, 50),
      halfClosed: true
    },
    { how: "with a message that is too large", body: Buffer.of(0, 255, 255, 255, 255), halfClosed: false }
  ]
  for (const { body, halfClosed, how } of broken) {
    it.scopedLive(`${how}, releases the device and says why`, () =>
      Effect.gen(function*() {
        const device = yield* Probe.make
        const port = yield* serve(
          GrpcHandler.Duplex({ handle: ({ receive }) => device.watch(Stream.runDrain(messages(receive))) })
        )
        const session = yield* raw.connect(`http://127.0.0.1:${port}`)
        const { code } = yield* soon(raw.ask(session, { path: "/t.S/Rpc", body, open: !halfClosed }))
        assert.include(["INTERNAL", "RESOURCE_EXHAUSTED"], code)
        yield* soon(device.finalized)
      }))
  }

  it.scopedLive("while the handler reads nothing, releases the device", () =>
    Effect.gen(function*() {
      const device = yield* Probe.make
      const port = yield* serve(GrpcHandler.Duplex({ handle: () => device.watch(Effect.never) }))
      const session = yield* raw.connect(`http://127.0.0.1:${port}`)
      const stream = raw.begin(session, { path: "/t.S/Rpc", open: true })
      yield* soon(device.started)
      // The caller neither ends nor resets the stream after that.
      stream.write(Buffer.of(0, 255, 255, 255, 255))
      yield* soon(device.finalized)
    }))
})

describe("a refused message", () => {
  it.scopedLive("does not affect other clients, whatever precedes and follows it", () =>
    Effect.gen(function*() {
      const port = yield* serve(GrpcHandler.Duplex({ handle: ({ receive }) => Stream.runDrain(messages(receive)) }))
      const socket = yield* dial(() => net.connect(port, "127.0.0.1"))
      const whole = raw.prefixed(new Uint8Array(50))
      const pieces = [whole.subarray(0, 20), whole.subarray(20), raw.prefixed(new Uint8Array(9), { flag: 1 }), whole]
      socket.resume().write(Buffer.concat([open, ...pieces.map((piece) => frame(Type.data, 0, 1, piece))]))
      const session = yield* raw.connect(`http://127.0.0.1:${port}`)
      const answer = yield* soon(raw.ask(session, { path: "/t.S/Echo", body: whole }))
      assert.strictEqual(answer.code, "OK")
    }))
})
