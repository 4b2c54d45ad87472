// Every RPC of a connection makes progress, whatever the others do (transport/http2/sendTurns.ts). The bounds count bytes, not time,
// so they hold on any machine.
import { describe, it } from "@effect/vitest"
import { assertTrue, strictEqual } from "@effect/vitest/utils"
import { Effect, type Scope, Stream } from "effect"
import * as net from "node:net"
import * as tls from "node:tls"
import type * as Endpoint from "../../src/grpc/Endpoint.ts"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as Metadata from "../../src/grpc/Metadata.ts"
import type { CallOptions, GrpcChannel } from "../../src/transport/GrpcChannel.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import { until } from "../suite/harness.ts"
import * as certificates from "../support/certificates.ts"
import { messages } from "../support/messages.ts"
import * as raw from "../support/rawGrpc.ts"
import * as temporary from "../support/temporary.ts"
import { type Transport, transports } from "../support/transports.ts"

type Channel = typeof GrpcChannel.Service

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

const chunk = new Uint8Array(64 * kibibyte)
const small = new Uint8Array([1, 2, 3])

const handlers = new Map<string, GrpcHandler>([
  ["/t.S/Call", GrpcHandler.Unary({ handle: Effect.succeed })],
  ["/t.S/Items", GrpcHandler.ServerStreaming({ handle: () => Stream.make(small, small, small) })],
  ["/t.S/Sink", GrpcHandler.Duplex({ handle: ({ receive }) => Stream.runDrain(messages(receive)) })],
  ["/t.S/Stuck", GrpcHandler.Duplex({ handle: () => Effect.never })],
  ["/t.S/Source", GrpcHandler.Duplex({ handle: ({ send }) => Effect.forever(send(chunk)) })],
  [
    "/t.S/Echo",
    GrpcHandler.Duplex({ handle: ({ receive, send }) => Stream.runForEach(messages(receive), send) })
  ]
])

// Our servers keep HTTP/2's default connection window for a client with this user agent.
const narrow: CallOptions = { metadata: Metadata.make({ "user-agent": "grpc-node-js/1.14.0" }) }

type Kind = "Sink" | "Source" | "Stuck"

// Byte streams that are as busy as possible, and how many bytes each has moved.
const busy = Effect.fnUntraced(function*(channel: Channel, kinds: ReadonlyArray<Kind>) {
  const moved = kinds.map(() => 0)
  yield* Effect.forEach(kinds, (kind, index) =>
    Effect.gen(function*() {
      const stream = yield* channel.duplex(`/t.S/${kind}`)
      const count = (size: number) =>
        Effect.sync(() => {
          moved[index] = (moved[index] ?? 0) + size
        })
      yield* Effect.forkScoped(
        kind === "Source"
          ? Stream.runForEach(messages(stream.receive), () => count(chunk.length))
          : Effect.forever(Effect.zipRight(stream.send(chunk), count(chunk.length)))
      )
    }))
  return moved
})

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((total, number) => total + number, 0)

const started = (moved: ReadonlyArray<number>) =>
  until("all streams move", Effect.sync(() => Math.min(...moved)), (least) => least > 0)

// Counts the bytes that go through the connection while an effect runs.
const meanwhile = <A, E, R>(moved: ReadonlyArray<number>, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = sum(moved)
    yield* Effect.timeoutFail(effect, {
      duration: "10 seconds",
      onTimeout: () => new Error(`${Math.round((sum(moved) - before) / mebibyte)} MiB overtook it`)
    })
    return sum(moved) - before
  })

// More bytes than all buffers on the way hold: those of two processes, of the kernel, and the windows of the streams.
const overtaking = 64 * mebibyte

const median = (numbers: ReadonlyArray<number>) =>
  numbers.toSorted((one, other) => one - other)[numbers.length >> 1] ?? 0

const things: Readonly<Record<string, (channel: Channel) => Effect.Effect<unknown, unknown>>> = {
  "a call": (channel) => channel.unary("/t.S/Call", small),
  "a streaming call": (channel) => Stream.runDrain(channel.serverStreaming("/t.S/Items", small)),
  "a byte stream that is opened, used and half-closed": (channel) =>
    Effect.scoped(Effect.gen(function*() {
      const stream = yield* channel.duplex("/t.S/Echo")
      yield* stream.send(small)
      yield* stream.receive
      // The end is sent by itself.
      yield* stream.halfClose
      yield* stream.status
    }))
}

const loads: Readonly<Record<string, ReadonlyArray<Kind>>> = {
  "one sink": ["Sink"],
  "one source": ["Source"],
  "a sink, a sink that reads nothing, and a source": ["Sink", "Stuck", "Source"],
  "several sinks and sources": ["Stuck", "Sink", "Sink", "Source", "Sink", "Source", "Stuck"]
}

const sockets = transports.filter(({ name }) => name === "unix" || name === "tcp" || name === "tls")

const suite = ({ name, serve }: Transport): void => {
  describe(`over ${name}`, () => {
    // Windows work the same on every socket.
    for (
      const [window, options] of Object.entries(
        name === "unix" ? { "a wide": {}, "a narrow": narrow } : { "a wide": {} }
      )
    ) {
      const open = Effect.gen(function*() {
        const channel = yield* Effect.flatMap(serve(handlers), (open) => open())
        // The first call decides the window.
        yield* channel.unary("/t.S/Call", small, options)
        return channel
      })

      describe(`with ${window} window`, () => {
        for (const [load, kinds] of Object.entries(loads)) {
          it.scopedLive(`every RPC makes progress beside ${load}`, () =>
            Effect.gen(function*() {
              const channel = yield* open
              const moved = yield* busy(channel, kinds)
              yield* started(moved)
              for (const [thing, run] of Object.entries(things)) {
                const overtook = yield* Effect.replicateEffect(meanwhile(moved, run(channel)), 3)
                assertTrue(median(overtook) < overtaking, `${thing}: ${overtook.join(", ")} bytes`)
              }
            }))
        }

        for (const [kind, count] of [["Sink", 4], ["Source", 4], ["Sink", 24]] as const) {
          it.scopedLive(`${count} times ${kind} get equal shares`, () =>
            Effect.gen(function*() {
              const channel = yield* open
              const moved = yield* busy(channel, ["Stuck", ...Array.from({ length: count }, () => kind)])
              yield* started(moved)
              const before = moved.slice(1)
              const shares = yield* until(
                "all have moved enough",
                Effect.sync(() => moved.slice(1).map((bytes, index) => bytes - (before[index] ?? 0))),
                // Several times what the line holds. The more streams there are, the less each may have in flight.
                (shares) => sum(shares) > (options === narrow ? 2 : count > 4 ? 4 : 8) * mebibyte * count,
                "25 seconds"
              )
              assertTrue(Math.min(...shares) * 3 > Math.max(...shares), shares.join(", "))
            }))
        }
      })
    }
  })
}

sockets.forEach(suite)

const listens: Readonly<Record<string, Effect.Effect<GrpcServer.Listen, unknown, Scope.Scope>>> = {
  unix: Effect.map(temporary.socketPath, (path) => ({ path })),
  tcp: Effect.succeed({ host: "127.0.0.1", port: 0 }),
  tls: Effect.map(certificates.localhost, ({ certificate }) => ({ host: "127.0.0.1", port: 0, certificate }))
}

// A client whose connection window is smaller than its stream window, as in grpc-js and possibly in gRPC's C core.
const rawClient = (endpoint: Endpoint.Endpoint) =>
  raw.connect("http://localhost", {
    settings: { initialWindowSize: 4 * mebibyte },
    createConnection: () =>
      endpoint._tag === "Unix"
        ? net.connect(endpoint.path)
        : endpoint._tag === "Tcp"
        ? net.connect(endpoint.port, endpoint.host)
        : tls.connect({ ...endpoint, ALPNProtocols: ["h2"], rejectUnauthorized: false })
  })

describe("a host whose streams a client cannot read fast enough", () => {
  for (const [name, listen] of Object.entries(listens)) {
    const open = Effect.gen(function*() {
      const session = yield* rawClient(yield* GrpcServer.serve(handlers, yield* listen))
      const moved = [0, 0, 0]
      // One stream that is not read at all, and several that are.
      raw.begin(session, { path: "/t.S/Source", open: true })
      moved.forEach((_, index) =>
        raw.begin(session, { path: "/t.S/Source", open: true }).on("data", (bytes: Uint8Array) => {
          moved[index] = (moved[index] ?? 0) + bytes.length
        })
      )
      yield* started(moved)
      return { session, moved }
    })

    it.scopedLive(`still answers over ${name}`, () =>
      Effect.gen(function*() {
        const { moved, session } = yield* open
        for (const path of ["/t.S/Call", "/t.S/Items", "/t.S/Echo", "/t.S/Nothing"]) {
          const asked = Effect.tap(
            raw.ask(session, { path, body: raw.prefixed(small) }),
            ({ code }) => Effect.sync(() => strictEqual(code, path === "/t.S/Nothing" ? "UNIMPLEMENTED" : "OK"))
          )
          const overtook = yield* Effect.replicateEffect(meanwhile(moved, asked), 3)
          assertTrue(median(overtook) < overtaking, `${path}: ${overtook.join(", ")} bytes`)
        }
      }))

    it.scopedLive(`sends each stream an equal share over ${name}`, () =>
      Effect.gen(function*() {
        const { moved } = yield* open
        const before = [...moved]
        const shares = yield* until(
          "all have moved enough",
          Effect.sync(() => moved.map((bytes, index) => bytes - (before[index] ?? 0))),
          (shares) => sum(shares) > 24 * mebibyte
        )
        assertTrue(Math.min(...shares) * 3 > Math.max(...shares), shares.join(", "))
      }))
  }
})
