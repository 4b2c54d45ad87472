import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import { GrpcHandler } from "../../../src/grpc/GrpcHandler.ts"
import * as GrpcServer from "../../../src/transport/GrpcServer.ts"
import { StreamWindow } from "../../../src/transport/http2/streamWindow.ts"
import { messages } from "../../support/messages.ts"
import * as raw from "../../support/rawGrpc.ts"
import * as rawHttp2 from "../../support/rawHttp2.ts"
import * as temporary from "../../support/temporary.ts"

const mebibyte = 1024 * 1024

const handlers = new Map([
  ["/t.S/Take", GrpcHandler.Duplex({ handle: ({ receive }) => Stream.runDrain(messages(receive)) })],
  ["/t.S/Leave", GrpcHandler.Duplex({ handle: () => Effect.never })]
])

const message = raw.prefixed(new Uint8Array(mebibyte))

// A client, and the windows that the server has announced to it.
const connect = (createConnection: () => Net.Socket) =>
  Effect.gen(function*() {
    const session = yield* raw.connect("http://localhost", { createConnection })
    const windows = yield* Queue.unbounded<number | undefined>()
    session.on("remoteSettings", ({ initialWindowSize }) => windows.unsafeOffer(initialWindowSize))
    strictEqual(yield* Queue.take(windows), mebibyte)
    const open = (path: string, mebibytes: number) => {
      const stream = raw.begin(session, { path, open: true })
      for (let sent = 0; sent < mebibytes; sent++) stream.write(message)
      return stream
    }
    // Whatever the server has announced before it answers.
    const announced = Effect.zipRight(
      Effect.async<void>((resume) => void session.ping(() => resume(Effect.void))),
      Effect.map(Queue.takeAll(windows), (sizes) => [...sizes])
    )
    return { open, windows, announced }
  })

const overTcp = Effect.gen(function*() {
  const endpoint = yield* GrpcServer.serve(handlers, { host: "127.0.0.1", port: 0 })
  return yield* connect(() => Net.connect(endpoint._tag === "Unix" ? 0 : endpoint.port, "127.0.0.1"))
})

const closed = (stream: Http2.ClientHttp2Stream) =>
  Effect.async<void>((resume) => {
    stream.on("close", () => resume(Effect.void)).resume().end()
  })

describe("the window of a stream", () => {
  it.scopedLive("is wide after the streams have carried much, and while there are few", () =>
    Effect.gen(function*() {
      const { open, windows } = yield* overTcp
      const carrying = open("/t.S/Take", 9)
      strictEqual(yield* Queue.take(windows), 8 * mebibyte)
      const others = Array.from({ length: 4 }, () => open("/t.S/Take", 0))
      strictEqual(yield* Queue.take(windows), mebibyte)
      yield* Effect.forEach(others, closed)
      for (let sent = 0; sent < 9; sent++) carrying.write(message)
      strictEqual(yield* Queue.take(windows), 8 * mebibyte)
    }))

  it.scopedLive("stays narrow while many streams carry much", () =>
    Effect.gen(function*() {
      const { announced, open } = yield* overTcp
      const streams = Array.from({ length: 5 }, () => open("/t.S/Take", 4))
      yield* Effect.forEach(streams, closed)
      deepStrictEqual(yield* announced, [])
    }))

  it.scopedLive("stays narrow while nobody takes the bytes", () =>
    Effect.gen(function*() {
      const { announced, open } = yield* overTcp
      for (let streams = 0; streams < 3; streams++) open("/t.S/Leave", 9)
      // Pings overtake data, but this stream sends after the others.
      yield* closed(open("/t.S/Take", 1))
      deepStrictEqual(yield* announced, [])
    }))

  it.scopedLive("stays narrow on a Unix socket, where clients learn at once that there is room", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      yield* GrpcServer.serve(handlers, { path })
      const { announced, open } = yield* connect(() => Net.connect(path))
      yield* closed(open("/t.S/Take", 20))
      deepStrictEqual(yield* announced, [])
    }))

  it.scopedLive("is not wide for a client that never acknowledges that it is narrow again", () =>
    Effect.gen(function*() {
      const server = yield* Effect.acquireRelease(
        Effect.async<Http2.Http2Server>((resume) => {
          const server = Http2.createServer()
          server.on("session", (session) => {
            session.on("error", () => {})
            const window = new StreamWindow(session, 50)
            window.begin()
            session.once("localSettings", () => {
              window.carry(8 * mebibyte)
              session.once("localSettings", () => {
                for (let streams = 0; streams < 4; streams++) window.begin()
              })
            })
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      const address = server.address()
      const socket = yield* rawHttp2.dialPort(typeof address === "object" && address !== null ? address.port : 0)
      let acknowledged = 0
      const code = yield* Effect.async<number>((resume) => {
        socket
          .on(
            "data",
            rawHttp2.reader((type, flags, _stream, payload) => {
              if (type === rawHttp2.Type.goAway) resume(Effect.succeed(payload.readUInt32BE(4)))
              if (type === rawHttp2.Type.settings && flags !== rawHttp2.Flag.ack && acknowledged++ < 2) {
                socket.write(rawHttp2.frame(rawHttp2.Type.settings, rawHttp2.Flag.ack, 0))
              }
            })
          )
          .write(rawHttp2.hello)
      })
      strictEqual(code, Http2.constants.NGHTTP2_SETTINGS_TIMEOUT)
      strictEqual(acknowledged, 3)
    }))
})
