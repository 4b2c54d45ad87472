// Only an RPC that the peer never began, according to HTTP/2, is sent again, once and on a new connection.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as rawExporter from "../support/rawExporter.ts"
import { Flag, frame, Type, uint32 } from "../support/rawHttp2.ts"

type Channel = GrpcChannel.Channel

const message = Uint8Array.of(1, 2, 3)

const shapes: Readonly<Record<string, (channel: Channel) => Effect.Effect<unknown, GrpcStatusError>>> = {
  "a unary call": (channel) => channel.unary("/t.S/Unary", message),
  "a stream of answers": (channel) => Stream.runCollect(channel.serverStreaming("/t.S/Streaming", message)),
  "a duplex": (channel) =>
    Effect.scoped(Effect.gen(function*() {
      const duplex = yield* channel.duplex("/t.S/Duplex")
      yield* duplex.initialMetadata
      yield* duplex.send(message)
      yield* duplex.halfClose
      yield* duplex.status
    }))
}

const refusedStream = 7
const refuse = (stream: number) => frame(Type.reset, 0, stream, uint32(refusedStream))
const goAway = (last: number, code = 0) => frame(Type.goAway, 0, 0, Buffer.concat([uint32(last), uint32(code)]))

const refusals: Readonly<Record<string, (stream: number) => Uint8Array>> = {
  "a refused stream": refuse,
  "a GOAWAY with a last stream before it": () => goAway(0),
  "a GOAWAY with an error and a last stream before it": () => goAway(0, 2),
  "a GOAWAY and a refused stream": (stream) => Buffer.concat([goAway(0x7fff_ffff), refuse(stream)])
}

const headers = (stream: number) => frame(Type.headers, Flag.endHeaders, stream, rawExporter.responseHeaders)

// Refuses the streams of the first connections, and counts the requests on all of them.
const serve = (kind: rawExporter.Kind, refusal: (stream: number) => Uint8Array, times: number) => {
  const seen = { refused: 0, answered: 0 }
  return Effect.map(
    rawExporter.serve(kind, {
      onHeaders: ({ send }, stream, connection) => {
        if (connection > times) return send(headers(stream))
        seen.refused++
        send(refusal(stream))
      },
      onRequest: ({ send }, stream, connection) => {
        if (connection <= times) return
        seen.answered++
        send(rawExporter.message(stream), rawExporter.trailers(stream))
      }
    }),
    (endpoint) => ({ endpoint, seen })
  )
}

const transports: Readonly<Record<string, GrpcChannel.ChannelOptions>> = {
  http2: {},
  "nice-grpc": { transport: "nice-grpc" }
}

describe("an RPC that was never begun", () => {
  for (const kind of rawExporter.kinds) {
    for (const [refusal, bytes] of Object.entries(refusals)) {
      for (const [shape, run] of Object.entries(shapes)) {
        it.scopedLive(`is sent again when it is ${shape} on ${kind} that meets ${refusal}`, () =>
          Effect.gen(function*() {
            const { endpoint, seen } = yield* serve(kind, bytes, 1)
            yield* Effect.timeout(run(yield* GrpcChannel.fromEndpoint(endpoint)), "5 seconds")
            assert.deepStrictEqual(seen, { refused: 1, answered: 1 })
          }))
      }
    }
  }

  for (const [transport, options] of Object.entries(transports)) {
    for (const [shape, run] of Object.entries(shapes)) {
      it.scopedLive(`is sent again once, and then fails with nothing sent, when it is ${shape} over ${transport}`, () =>
        Effect.gen(function*() {
          const { endpoint, seen } = yield* serve("unix", refuse, 2)
          const error = yield* Effect.flip(run(yield* GrpcChannel.fromEndpoint(endpoint, options)))
          assert.deepInclude(error, { code: "UNAVAILABLE", origin: "client", scope: "rpc" })
          assert.deepStrictEqual(seen, { refused: 2, answered: 0 })
        }))
    }
  }

  it.scopedLive("is sent again through nice-grpc", () =>
    Effect.gen(function*() {
      const { endpoint, seen } = yield* serve(
        "unix",
        (stream) => Buffer.concat([goAway(0x7fff_ffff), refuse(stream)]),
        1
      )
      const channel = yield* GrpcChannel.fromEndpoint(endpoint, transports["nice-grpc"])
      yield* Effect.timeout(channel.unary("/t.S/Unary", message), "5 seconds")
      assert.deepStrictEqual(seen, { refused: 1, answered: 1 })
    }))
})

describe("a connection whose peer", () => {
  for (const kind of rawExporter.kinds) {
    it.scopedLive(`gives it up before it begins an RPC is reported as lost, on ${kind}`, () =>
      Effect.gen(function*() {
        const { endpoint, seen } = yield* serve(kind, () => goAway(0, 2), 1)
        const channel = yield* GrpcChannel.fromEndpoint(endpoint)
        const ends: Array<string> = []
        assert(channel.connection)
        yield* channel.connection.onEnd((details) => void ends.push(details))
        yield* channel.unary("/t.S/Unary", message)
        assert.deepStrictEqual(seen, { refused: 1, answered: 1 })
        assert.lengthOf(ends, 1)
        assert.include(ends[0], "error code 2 (INTERNAL_ERROR)")
      }))

    it.scopedLive(`only refuses an RPC is not reported as lost, on ${kind}`, () =>
      Effect.gen(function*() {
        const { endpoint } = yield* serve(kind, refuse, 1)
        const channel = yield* GrpcChannel.fromEndpoint(endpoint)
        const ends: Array<string> = []
        yield* channel.connection?.onEnd((details) => void ends.push(details)) ?? Effect.void
        yield* channel.unary("/t.S/Unary", message)
        assert.deepStrictEqual(ends, [])
      }))

    it.scopedLive(`gives up every connection has the reason in the failure of the RPC, on ${kind}`, () =>
      Effect.gen(function*() {
        const endpoint = yield* rawExporter.serve(kind, {
          onConnect: ({ send }) => send(rawExporter.settings, goAway(0, 11))
        })
        const channel = yield* GrpcChannel.fromEndpoint(endpoint)
        const error = yield* Effect.flip(channel.unary("/t.S/Unary", message))
        assert.include(error.details, "ENHANCE_YOUR_CALM")
      }))
  }
})

describe("an RPC that may have begun", () => {
  for (const [transport, options] of Object.entries(transports)) {
    it.scopedLive(`is not sent again over ${transport}`, () =>
      Effect.gen(function*() {
        const { endpoint, seen } = yield* serve("unix", (stream) => goAway(stream, 2), 1)
        const error = yield* Effect.flip(
          (yield* GrpcChannel.fromEndpoint(endpoint, options)).unary("/t.S/Unary", message)
        )
        assert.deepInclude(error, { code: "UNAVAILABLE", origin: "transport", scope: "connection" })
        assert.include(error.details, "error code 2 (INTERNAL_ERROR)")
        assert.deepStrictEqual(seen, { refused: 1, answered: 0 })
      }))
  }

  it.scopedLive("is not sent again when response headers came before the refusal", () =>
    Effect.gen(function*() {
      const { endpoint, seen } = yield* serve("unix", (stream) => Buffer.concat([headers(stream), refuse(stream)]), 1)
      const error = yield* Effect.flip((yield* GrpcChannel.fromEndpoint(endpoint)).unary("/t.S/Unary", message))
      assert.deepInclude(error, { code: "UNAVAILABLE", origin: "transport", scope: "rpc" })
      assert.deepStrictEqual(seen, { refused: 1, answered: 0 })
    }))

  it.scopedLive("is not sent again when it is a duplex that has sent a message", () =>
    Effect.gen(function*() {
      let requests = 0
      const endpoint = yield* rawExporter.serve("unix", {
        onRequest: ({ send }, stream) => {
          requests++
          send(refuse(stream))
        }
      })
      const duplex = yield* (yield* GrpcChannel.fromEndpoint(endpoint)).duplex("/t.S/Duplex")
      yield* duplex.send(message)
      yield* duplex.halfClose
      const error = yield* Effect.flip(duplex.status)
      assert.deepInclude(error, { code: "UNAVAILABLE", origin: "client", scope: "rpc" })
      assert.strictEqual(requests, 1)
    }))
})
