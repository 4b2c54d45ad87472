import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import * as net from "node:net"
import * as ExporterConnection from "../../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../../src/grpc/Endpoint.ts"
import { GrpcHandler } from "../../../src/grpc/GrpcHandler.ts"
import * as Driver from "../../../src/host/Driver.ts"
import * as Exporter from "../../../src/host/Exporter.ts"
import * as GrpcChannel from "../../../src/transport/GrpcChannel.ts"
import * as GrpcServer from "../../../src/transport/GrpcServer.ts"
import { awaitStill } from "../../suite/harness.ts"
import * as frameCounter from "../../support/frameCounter.ts"
import { messages } from "../../support/messages.ts"
import * as rawHttp2 from "../../support/rawHttp2.ts"
import * as temporary from "../../support/temporary.ts"

type Channel = GrpcChannel.Channel

const message = new Uint8Array([1, 2, 3])

// A channel to handlers, and a count of the frames on its connection.
const open = Effect.gen(function*() {
  const started = yield* Deferred.make<void>()
  const hang = Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)
  const handlers = new Map<string, GrpcHandler>([
    ["/t.S/Unary", GrpcHandler.Unary({ handle: Effect.succeed })],
    ["/t.S/ServerStreaming", GrpcHandler.ServerStreaming({ handle: (message) => Stream.make(message) })],
    ["/t.S/Duplex", GrpcHandler.Duplex({ handle: ({ receive, send }) => Stream.runForEach(messages(receive), send) })],
    ["/t.S/Hang", GrpcHandler.Unary({ handle: () => hang })]
  ])
  const path = yield* temporary.socketPath
  yield* GrpcServer.serve(handlers, { path })
  const front = yield* temporary.socketPath
  const count = yield* frameCounter.make(front, path)
  const channel = yield* GrpcChannel.fromEndpoint(Endpoint.unix(front))
  return { channel, count, started: Deferred.await(started) }
})

const shapes: Readonly<Record<string, (channel: Channel) => Effect.Effect<unknown, unknown>>> = {
  "a call": (channel) => channel.unary("/t.S/Unary", message),
  "a streaming call": (channel) => Stream.runDrain(channel.serverStreaming("/t.S/ServerStreaming", message)),
  "a byte stream": (channel) =>
    Effect.scoped(Effect.gen(function*() {
      const call = yield* channel.duplex("/t.S/Duplex")
      yield* call.send(message)
      yield* call.halfClose
      yield* Stream.runDrain(messages(call.receive))
    }))
}

// Servers count resets, and close a connection with too many.
describe("resets", () => {
  for (const [name, run] of Object.entries(shapes)) {
    it.scopedLive(`are not sent by ${name} that ends with OK`, () =>
      Effect.gen(function*() {
        const { channel, count } = yield* open
        yield* Effect.repeatN(run(channel), 9)
        // When the answer to this request arrives, all earlier frames have passed.
        yield* channel.unary("/t.S/Unary", message)
        assert.strictEqual(count("headers"), 11)
        assert.strictEqual(count("reset"), 0)
      }))
  }

  // Otherwise a client with many streams, such as the connections to a forwarded port, would lose its connection.
  it.scopedLive("are not sent by closed byte streams of a driver", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const echo = Driver.make({ client: "echo", methods: { connect: Driver.streamTransform((input) => input) } })
      yield* Exporter.serve(yield* Exporter.make(echo), { path })
      const front = yield* temporary.socketPath
      const count = yield* frameCounter.make(front, path)
      const { root } = yield* ExporterConnection.fromEndpoint(Endpoint.unix(front))
      const closed = Effect.scoped(Effect.gen(function*() {
        const stream = yield* root.stream("connect")
        yield* stream.write(message)
        yield* Stream.runDrain(Stream.take(stream.read, 1))
      }))
      const drained = Effect.scoped(Effect.gen(function*() {
        const stream = yield* root.stream("connect")
        yield* stream.write(message)
        yield* stream.end
        yield* Stream.runDrain(stream.read)
      }))
      yield* Effect.replicateEffect(Effect.zipRight(closed, drained), 20, { concurrency: 4, discard: true })
      yield* Effect.flip(root.call("none"))
      assert.strictEqual(count("reset"), 0)
    }))

  it.scopedLive("are sent once by an interrupted call", () =>
    Effect.gen(function*() {
      const { channel, count, started } = yield* open
      const call = yield* Effect.fork(channel.unary("/t.S/Hang", message))
      yield* started
      yield* Fiber.interrupt(call)
      yield* channel.unary("/t.S/Unary", message)
      assert.strictEqual(count("reset"), 1)
    }))
})

const largest = 2 ** 31 - 1

// A peer that grants the largest windows of HTTP/2, and reads nothing.
const grantingPeer = Effect.map(
  Effect.acquireRelease(
    Effect.async<net.Server>((resume) => {
      const server = net.createServer((socket) => {
        socket.on("error", () => {}).pause().write(Buffer.concat([
          rawHttp2.frame(rawHttp2.Type.settings, 0, 0, Buffer.concat([Uint8Array.of(0, 4), rawHttp2.uint32(largest)])),
          rawHttp2.frame(rawHttp2.Type.windowUpdate, 0, 0, rawHttp2.uint32(largest - 65_535))
        ]))
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ),
  (server) => {
    const address = server.address()
    return Endpoint.tcp("127.0.0.1", address === null || typeof address === "string" ? 0 : address.port)
  }
)

it.scopedLive("a TCP peer with the largest windows that reads nothing makes the client buffer only a few megabytes", () =>
  Effect.gen(function*() {
    const channel = yield* GrpcChannel.fromEndpoint(yield* grantingPeer)
    const call = yield* channel.duplex("/t.S/Duplex")
    let given = 0
    const block = new Uint8Array(1024 * 1024)
    yield* Effect.forkScoped(Effect.forever(Effect.map(call.send(block), () => {
      given += block.length
    })))
    yield* awaitStill(Effect.sync(() => given))
    assert.isBelow(given, 24 * block.length)
  }))
