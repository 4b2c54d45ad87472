// How grpc-js differs in ways that this library cannot change: the rows of docs/grpc.md. A failing test here may be good
// news: its row, and the code that works around it, can be removed.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Either, Fiber, Option, Stream } from "effect"
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2"
import { gzipSync } from "node:zlib"
import type { GrpcStatusError } from "../../../src/grpc/GrpcStatus.ts"
import * as GrpcChannel from "../../../src/transport/GrpcChannel.ts"
import { text, utf8 } from "../../support/bytes.ts"
import { prefixed } from "../../support/rawGrpc.ts"
import * as rawServer from "../../support/rawServer.ts"

type Handle = (stream: ServerHttp2Stream) => void

const request = new Uint8Array([1, 2, 3])

const respond = (
  headers: OutgoingHttpHeaders,
  messages: ReadonlyArray<Uint8Array>,
  trailers: OutgoingHttpHeaders
): Handle =>
(stream) => {
  stream.respond({ ...rawServer.grpcHeaders, ...headers }, { waitForTrailers: true })
  stream.on("wantTrailers", () => stream.sendTrailers(trailers))
  stream.end(Buffer.concat(messages))
}

const letters = ["a", "b", "c"]

const whole = letters.map((letter) => prefixed(utf8(letter)))

/** The messages of a streaming call, and how it ends. */
const outcome = (channel: GrpcChannel.Channel) =>
  Effect.gen(function*() {
    const got: Array<string> = []
    const exit = yield* Effect.either(
      Stream.runForEach(channel.serverStreaming("/t.S/Odd", request), (message) =>
        Effect.sync(() => got.push(text(message))))
    )
    return { got, end: Either.isRight(exit) ? "OK" : exit.left.code }
  })

interface Outcome {
  readonly got: ReadonlyArray<string>
  readonly end: string
}

interface Difference {
  readonly handle: Handle
  readonly http2: Outcome
  /** When messages are lost, their number depends on timing. */
  readonly grpcJs: Outcome | { readonly losesMessages: true; readonly end: string }
}

const differences: Readonly<Record<string, Difference>> = {
  "messages that are compressed unasked, then a failure": {
    handle: respond(
      { "grpc-encoding": "gzip" },
      letters.map((letter) => prefixed(gzipSync(letter), { flag: 1 })),
      { "grpc-status": "8" }
    ),
    http2: { got: [], end: "INTERNAL" },
    grpcJs: { losesMessages: true, end: "RESOURCE_EXHAUSTED" }
  },
  "messages, then one that is too large": {
    handle: respond({}, [...whole, prefixed(new Uint8Array(GrpcChannel.maxMessageBytes + 1))], { "grpc-status": "0" }),
    http2: { got: letters, end: "RESOURCE_EXHAUSTED" },
    grpcJs: { losesMessages: true, end: "RESOURCE_EXHAUSTED" }
  },
  "a last message that is cut off, then a success": {
    handle: respond({}, [...whole, prefixed(utf8("d"), { length: 20 })], { "grpc-status": "0" }),
    http2: { got: letters, end: "INTERNAL" },
    grpcJs: { got: letters, end: "OK" }
  },
  "a status that is empty": {
    handle: respond({}, whole, { "grpc-status": "" }),
    http2: { got: letters, end: "UNKNOWN" },
    grpcJs: { got: letters, end: "OK" }
  },
  "the HTTP status 503 with a success in its headers": {
    handle: (stream) =>
      stream.respond({ ...rawServer.grpcHeaders, ":status": 503, "grpc-status": "0" }, { endStream: true }),
    http2: { got: [], end: "UNAVAILABLE" },
    grpcJs: { got: [], end: "OK" }
  },
  "a GOAWAY for too many pings": {
    handle: (stream) => stream.session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM),
    http2: { got: [], end: "UNAVAILABLE" },
    grpcJs: { got: [], end: "RESOURCE_EXHAUSTED" }
  }
}

const transports = {
  http2: {},
  grpcJs: { transport: "nice-grpc" }
} as const

const both = ["http2", "grpcJs"] as const

/** Opens a channel to a peer that answers one call in an odd way, and others well. */
const channelTo = (transport: keyof typeof transports, handle: Handle) =>
  Effect.gen(function*() {
    const { endpoint } = yield* rawServer.serveAt("tcp", (stream, headers) => {
      stream.resume()
      if (headers[":path"] === "/t.S/Odd") handle(stream)
      else rawServer.answer(stream, prefixed(request))
    })
    return yield* GrpcChannel.fromEndpoint(endpoint, transports[transport])
  })

for (const transport of both) {
  describe(`through ${transport}`, () => {
    for (const [name, difference] of Object.entries(differences)) {
      it.scopedLive(`${name} are as docs/grpc.md says`, () =>
        Effect.gen(function*() {
          const channel = yield* channelTo(transport, difference.handle)
          const expected = difference[transport]
          const actual = yield* outcome(channel)
          if ("got" in expected) return assert.deepStrictEqual(actual, expected)
          assert.strictEqual(actual.end, expected.end)
          assert.isBelow(actual.got.length, letters.length)
        }))
    }

    // Returns whether the effect has ended once the peer has sent everything.
    const settled = Effect.fnUntraced(function*(
      channel: GrpcChannel.Channel,
      sent: Deferred.Deferred<void>,
      effect: Effect.Effect<void, GrpcStatusError>
    ) {
      const fiber = yield* Effect.fork(Effect.either(effect))
      yield* Deferred.await(sent)
      // By now another call has completed.
      yield* channel.unary("/t.S/Well", request)
      const exit = transport === "http2" ? Option.some(yield* fiber.await) : yield* Fiber.poll(fiber)
      yield* Fiber.interruptFork(fiber)
      return Option.isNone(exit) ? "waits" : "ends"
    })

    it.scopedLive("a byte stream that ends without a status is as docs/grpc.md says", () =>
      Effect.gen(function*() {
        const sent = yield* Deferred.make<void>()
        const channel = yield* channelTo(transport, (stream) => {
          stream.respond(rawServer.grpcHeaders)
          stream.end(Buffer.concat(whole))
          stream.session?.ping(() => Deferred.unsafeDone(sent, Effect.void))
        })
        const call = yield* channel.duplex("/t.S/Odd")
        assert.strictEqual(yield* settled(channel, sent, call.status), transport === "http2" ? "ends" : "waits")
        yield* call.halfClose
        assert.strictEqual((yield* Effect.flip(call.status)).code, "INTERNAL")
      }))

    it.scopedLive("an error page without a body is as docs/grpc.md says", () =>
      Effect.gen(function*() {
        const sent = yield* Deferred.make<void>()
        const channel = yield* channelTo(transport, (stream) => {
          stream.respond({ ":status": 503, "content-type": "text/html" })
          stream.session?.ping(() => Deferred.unsafeDone(sent, Effect.void))
        })
        const call = Effect.asVoid(channel.unary("/t.S/Odd", request))
        assert.strictEqual(yield* settled(channel, sent, call), transport === "http2" ? "ends" : "waits")
      }))
  })
}

describe("through grpcJs", () => {
  it.scopedLive("no encoding but identity is offered, so that no peer compresses", () =>
    Effect.gen(function*() {
      const offers: Array<string | ReadonlyArray<string> | undefined> = []
      const { endpoint } = yield* rawServer.serveAt("tcp", (stream, headers) => {
        offers.push(headers["grpc-accept-encoding"])
        stream.resume()
        rawServer.answer(stream, prefixed(request))
      })
      const channel = yield* GrpcChannel.fromEndpoint(endpoint, transports.grpcJs)
      yield* channel.unary("/t.S/Well", request)
      yield* Stream.runDrain(channel.serverStreaming("/t.S/Well", request))
      const call = yield* channel.duplex("/t.S/Well")
      yield* call.halfClose
      yield* call.status
      assert.deepStrictEqual(offers, ["identity", "identity", "identity"])
    }))
})
