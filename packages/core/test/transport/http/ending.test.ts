import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import * as http2 from "node:http2"
import * as net from "node:net"
import { setImmediate } from "node:timers/promises"
import * as httpEnding from "../../../src/transport/http/ending.ts"
import * as heap from "../../support/heap.ts"
import * as program from "../../support/program.ts"
import * as raw from "../../support/rawGrpc.ts"
import { block, call, dial, Flag, frame, hello, reader, Type, uint32 } from "../../support/rawHttp2.ts"
import * as rawServer from "../../support/rawServer.ts"
import * as temporary from "../../support/temporary.ts"

// The exit code or the signal of the program, and what it says on standard error.
const run = (side: string) =>
  Effect.async<readonly [number | NodeJS.Signals, string]>((resume) => {
    const child = execFile(
      process.execPath,
      [program.path("endings"), side],
      { env: { ...process.env, ...heap.strict } },
      (_, _stdout, stderr) => resume(Effect.succeed([child.exitCode ?? child.signalCode ?? 0, stderr]))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("a process", () => {
  const sides = {
    client: "closes its channel when one of several RPCs has ended",
    server: "closes its server while requests arrive"
  }
  for (const [side, event] of Object.entries(sides)) {
    it.live(`whose program ${event} keeps its memory intact`, () =>
      Effect.map(run(side), (end) => deepStrictEqual(end, [0, ""])))
  }
})

const request = (stream: number) => frame(Type.headers, Flag.endHeaders | Flag.endStream, stream, block("/t.S/Rpc"))

const goAway = frame(Type.goAway, 0, 0, new Uint8Array(8))

// Takes more bytes than a socket does.
const windows = Buffer.concat([
  frame(Type.settings, 0, 0, Buffer.concat([Uint8Array.of(0, 4), uint32(0x7fff_ffff)])),
  frame(Type.windowUpdate, 0, 0, uint32(0x7fff_0000))
])

describe("a session that is destroyed in an event", () => {
  it.scopedLive("takes the rest of what has arrived first", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const streams: Array<http2.ServerHttp2Stream> = []
      yield* rawServer.serve({ path }, (stream) => {
        streams.push(stream)
        if (streams.length === 3) streams.forEach((stream) => rawServer.answer(stream, new Uint8Array(1)))
      })
      const session = yield* raw.connect("http://localhost", { createConnection: () => net.connect(path) })
      const ended: Array<number | undefined> = []
      const closed = Effect.async((resume) => void session.once("close", () => resume(Effect.void)))
      for (let request = 0; request < 3; request++) {
        const stream = session.request({ ":method": "POST" }).resume()
        stream.once("trailers", () => {
          ended.push(stream.id)
          Effect.runFork(httpEnding.destroy(session))
        })
      }
      yield* closed
      deepStrictEqual(ended, [1, 3, 5])
    }))
})

describe("a server's session that closes", () => {
  // A server, and a peer that has begun one RPC. `arrived` says of each stream whether the session was closing.
  const make = Effect.gen(function*() {
    const path = yield* temporary.socketPath
    const server = http2.createServer()
    const streams: Array<http2.ServerHttp2Stream> = []
    const arrived: Array<boolean> = []
    yield* Effect.acquireRelease(
      Effect.async((resume) => void server.listen(path, () => resume(Effect.void))),
      () => Effect.sync(() => server.close())
    )
    const begun = Effect.async<http2.ServerHttp2Session>((resume) => {
      server.once("session", (session) => {
        const isClosing = httpEnding.closeSafely(session)
        session.on("error", () => {}).on("stream", (stream) => {
          streams.push(stream.on("error", () => {}))
          arrived.push(isClosing())
          resume(Effect.succeed(session))
        })
      })
    })
    const socket = yield* dial(() => net.connect(path))
    socket.write(Buffer.concat([hello, windows, call(1, "/t.S/Rpc")]))
    const told = new Promise<number>((resolve) => {
      socket.on(
        "data",
        reader((type, _flags, _stream, payload) => {
          if (type === Type.goAway) resolve(payload.readUInt32BE(0))
        })
      )
    })
    return { arrived, session: yield* begun, socket, streams, lastStream: Effect.promise(() => told) }
  })

  it.scopedLive("tells the client of a request that arrives before the GOAWAY has left that it was not served", () =>
    Effect.gen(function*() {
      const { arrived, lastStream, session, socket } = yield* make
      session.close()
      // The GOAWAY is handed over in this turn of the event loop, and leaves in the next one, which reads first.
      yield* Effect.promise(async () => {
        await setImmediate()
        socket.write(request(3))
      })
      strictEqual(yield* lastStream, 1)
      deepStrictEqual(arrived, [false, true])
    }))

  it.scopedLive("serves what the peer sends in one packet with its own GOAWAY", () =>
    Effect.gen(function*() {
      const { arrived, lastStream, socket } = yield* make
      socket.write(Buffer.concat([goAway, request(3), request(5)]))
      strictEqual(yield* lastStream, 5)
      deepStrictEqual(arrived, [false, false, false])
    }))

  it.scopedLive("is not closed before its GOAWAY has left, however long the peer reads nothing", () =>
    Effect.gen(function*() {
      const { lastStream, session, socket, streams } = yield* make
      const closed = new Promise((resolve) => session.once("close", resolve))
      socket.pause()
      streams[0]?.respond()
      streams[0]?.end(Buffer.alloc(8 * 1024 * 1024))
      session.close()
      // More turns than a GOAWAY takes whose peer reads.
      for (let turn = 0; turn < 10; turn++) yield* Effect.promise(() => setImmediate())
      strictEqual(session.closed, false)
      socket.resume()
      strictEqual(yield* lastStream, 1)
      socket.write(frame(Type.data, Flag.endStream, 1))
      yield* Effect.promise(() => closed)
      strictEqual(session.closed, true)
    }))
})
