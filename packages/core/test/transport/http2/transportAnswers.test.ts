import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import * as http2 from "node:http2"
import * as net from "node:net"
import * as Endpoint from "../../../src/grpc/Endpoint.ts"
import { GrpcHandler } from "../../../src/grpc/GrpcHandler.ts"
import { GrpcStatusError } from "../../../src/grpc/GrpcStatus.ts"
import * as GrpcChannel from "../../../src/transport/GrpcChannel.ts"
import * as GrpcServer from "../../../src/transport/GrpcServer.ts"
import * as httpKeepAlive from "../../../src/transport/http2/keepAlive.ts"
import { until } from "../../suite/harness.ts"
import { messages } from "../../support/messages.ts"
import { prefixed } from "../../support/rawGrpc.ts"
import * as rawServer from "../../support/rawServer.ts"
import * as temporary from "../../support/temporary.ts"

const message = new Uint8Array([1, 2, 3])

const channelTo = (kind: rawServer.Kind, handle: (stream: http2.ServerHttp2Stream) => void) =>
  Effect.gen(function*() {
    const { endpoint, server } = yield* rawServer.serveAt(kind, handle)
    return { channel: yield* GrpcChannel.fromEndpoint(endpoint), server }
  })

const soon = Effect.timeoutFail({ duration: "5 seconds", onTimeout: () => new Error("it hangs") })

const told = ({ code, details, origin }: GrpcStatusError) => `${code} ${origin}: ${details}`

for (const kind of rawServer.kinds) {
  describe(`over ${kind}`, () => {
    describe("a call whose answer comes before the end of its request", () => {
      const large = new Uint8Array(1_000_000)

      it.scopedLive("also fails without a status", () =>
        Effect.gen(function*() {
          const { channel } = yield* channelTo(kind, (stream) => {
            stream.resume()
            stream.respond(rawServer.grpcHeaders)
            stream.end(prefixed(message))
          })
          const call = yield* channel.duplex("/t.S/Rpc")
          const error = yield* soon(Effect.flip(Stream.runDrain(messages(call.receive))))
          assert.strictEqual(
            error instanceof GrpcStatusError ? told(error) : "",
            "INTERNAL transport: the RPC ended without a status"
          )
        }))

      it.scopedLive("leaves no stream behind", () =>
        Effect.gen(function*() {
          const { channel, server } = yield* channelTo(kind, (stream) => {
            stream.respond({ ...rawServer.grpcHeaders, "grpc-status": "16" }, { endStream: true })
            stream.pause()
          })
          const error = yield* Effect.flip(channel.unary("/t.S/Rpc", large))
          assert.strictEqual(error.code, "UNAUTHENTICATED")
          yield* until("no stream is open", Effect.sync(server.open), (open) => open === 0)
        }))
    })

    describe("messages", () => {
      it.scopedLive("end the RPC when they are refused, however much follows them", () =>
        Effect.gen(function*() {
          const readAhead = yield* Deferred.make<void>()
          const { channel } = yield* channelTo(kind, (stream) => {
            stream.resume()
            stream.respond(rawServer.grpcHeaders)
            stream.write(prefixed(new Uint8Array(1_200_000)))
            stream.write(prefixed(new Uint8Array(5_000_000)))
            // The ping is answered after the messages.
            setImmediate(() => stream.session?.ping(() => Deferred.unsafeDone(readAhead, Effect.void)))
          })
          // The message is beyond what is read ahead, and is read only when the consumer takes again.
          const error = yield* channel.serverStreaming("/t.S/Rpc", message).pipe(
            Stream.runForEach(() => Deferred.await(readAhead)),
            Effect.flip,
            soon
          )
          assert.strictEqual(
            told(error),
            "RESOURCE_EXHAUSTED client: Received message larger than max (5000000 vs 4194304)"
          )
        }))
    })

    describe("a connection that is shutting down", () => {
      it.scopedLive("still answers running calls", () =>
        Effect.gen(function*() {
          const { channel } = yield* channelTo(kind, (stream) => {
            stream.resume()
            // A client that answers the ping has seen the GOAWAY.
            stream.session?.goaway()
            stream.session?.ping(() => rawServer.answer(stream, prefixed(message)))
          })
          assert.strictEqual((yield* soon(channel.unary("/t.S/Rpc", message))).length, 3)
          assert.strictEqual((yield* soon(channel.unary("/t.S/Rpc", message))).length, 3)
        }))
    })
  })
}

describe("messages", () => {
  it.scopedLive("are all sent, whatever their sizes", () =>
    Effect.gen(function*() {
      const sizes = [0, 5_000, 7, 0, 0, 4_090, 10, 70_000, 0]
      const path = yield* temporary.socketPath
      const handle = () => Stream.fromIterable(sizes.map((size) => new Uint8Array(size)))
      yield* GrpcServer.serve(new Map([["/t.S/Rpc", GrpcHandler.ServerStreaming({ handle })]]), { path })
      const channel = yield* GrpcChannel.fromEndpoint(Endpoint.unix(path))
      const received = yield* Stream.runCollect(channel.serverStreaming("/t.S/Rpc", message))
      assert.deepStrictEqual(Array.from(received, (message) => message.length), sizes)
    }))
})

describe("a call that is made while its channel closes", () => {
  it.scopedLive("fails at once, and does not wait for a connection", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const connecting = yield* Deferred.make<void>()
      // This server never speaks HTTP/2.
      yield* Effect.acquireRelease(
        Effect.async<net.Server>((resume) => {
          const server = net.createServer((socket) => {
            socket.on("error", () => {}).resume()
            Deferred.unsafeDone(connecting, Effect.void)
          })
          server.listen(path, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const scope = yield* Scope.make()
      const channel = yield* Scope.extend(GrpcChannel.fromEndpoint(Endpoint.unix(path)), scope)
      const call = channel.unary("/t.S/Rpc", message)
      const retried = yield* Effect.fork(Effect.orElse(call, () => call))
      yield* Deferred.await(connecting)
      yield* Scope.close(scope, Exit.void)
      const error = yield* soon(Effect.flip(Fiber.join(retried)))
      assert.strictEqual(error instanceof GrpcStatusError ? told(error) : "", "CANCELLED client: the channel is closed")
    }))
})

describe("a connection that is shutting down", () => {
  it.scopedLive("is not treated as silent", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const streams: Array<http2.ServerHttp2Stream> = []
      yield* rawServer.serve({ path }, (stream) => {
        streams.push(stream)
        stream.session?.close()
      })
      const session = yield* Effect.acquireRelease(
        Effect.sync(() => http2.connect("http://localhost", { createConnection: () => net.connect(path) })),
        (session) => Effect.sync(() => session.destroy())
      )
      const call = session.request({ ":method": "POST" })
      yield* Effect.async((resume) => void session.once("goaway", () => resume(Effect.void)))
      // Runs until the first ping, which such a connection does not answer.
      yield* httpKeepAlive.run(session, "10 millis", "5 seconds")
      assert.isFalse(session.destroyed)
      streams.forEach((stream) => rawServer.answer(stream, prefixed(message)))
      yield* soon(Effect.async((resume) => void call.resume().once("close", () => resume(Effect.void))))
      assert.strictEqual(call.rstCode, 0)
    }))
})
