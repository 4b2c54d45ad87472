// How a client handles responses that no gRPC server should send, on every kind of endpoint and through both transports.
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Either, Option, Stream } from "effect"
import type * as http2 from "node:http2"
import { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { text, utf8 } from "../support/bytes.ts"
import { messages } from "../support/messages.ts"
import { prefixed } from "../support/rawGrpc.ts"
import * as rawServer from "../support/rawServer.ts"

type Handle = (stream: http2.ServerHttp2Stream) => void

const transports = {
  "http2": {},
  "grpc-js": { transport: "nice-grpc" }
} as const

type Transport = keyof typeof transports

const path = "/t.S/Rpc"

const request = new Uint8Array([1, 2, 3])

const channelTo = (kind: rawServer.Kind, transport: Transport, handle: Handle) =>
  Effect.gen(function*() {
    const { endpoint } = yield* rawServer.serveAt(kind, (stream) => {
      stream.resume()
      handle(stream)
    })
    return yield* GrpcChannel.fromEndpoint(endpoint, transports[transport])
  })

const soon = Effect.timeoutFail({ duration: "10 seconds", onTimeout: () => new Error("it hangs") })

const told = (error: GrpcStatusError | Error): string =>
  error instanceof GrpcStatusError
    ? `${error.code} ${error.origin}${error.scope === "rpc" ? "" : ` (${error.scope})`}: ${error.details}`
    : error.message

type Channel = GrpcChannel.Channel

// Returns the messages, and how the RPC ended.
const seen = <E extends GrpcStatusError | Error>(stream: Stream.Stream<string, E>) =>
  Effect.gen(function*() {
    const got: Array<string> = []
    const exit = yield* Effect.either(
      soon(Stream.runForEach(stream, (message) => Effect.sync(() => got.push(message))))
    )
    return { got, end: Either.isRight(exit) ? "OK" : told(exit.left) }
  })

const shapes: Readonly<Record<string, (channel: Channel) => Effect.Effect<{ got: Array<string>; end: string }>>> = {
  "a call": (channel) => seen(Stream.map(channel.unary(path, request), text)),
  "a streaming call": (channel) => seen(Stream.map(channel.serverStreaming(path, request), text)),
  "a byte stream": (channel) =>
    seen(Stream.unwrapScoped(Effect.gen(function*() {
      const call = yield* channel.duplex(path)
      yield* call.halfClose
      return Stream.map(messages(call.receive), text)
    })))
}

const respond = (headers: http2.OutgoingHttpHeaders, body?: Uint8Array | string): Handle => (stream) => {
  stream.respond(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
}

const hint = "instead of a gRPC response; is this the address of a proxy, a load balancer or a login page?"

const page = (code: string, status: number, type = "text/html") =>
  `${code} transport (connection): Received HTTP status code ${status} (${type}) ${hint}`

const message = prefixed(utf8("a"))

interface Answer {
  readonly handle: Handle
  /** How an RPC ends, whatever its shape. */
  readonly end: string | RegExp
  /** The messages that are delivered before. */
  readonly got?: ReadonlyArray<string>
  /** The end through grpc-js, where it differs. */
  readonly grpcJs?: string | RegExp
}

const noStatus = "INTERNAL transport: the RPC ended without a status"

const noStatusThere = "INTERNAL transport: Received RST_STREAM with code 0 (Call ended without gRPC status)"

const codes = {
  400: "INTERNAL",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "UNIMPLEMENTED",
  429: "UNAVAILABLE",
  500: "UNKNOWN",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "UNAVAILABLE"
}

const pages = Object.fromEntries(
  Object.entries(codes).flatMap(([status, code]): ReadonlyArray<readonly [string, Answer]> => [
    [`a page with HTTP status ${status}`, {
      handle: respond(
        { ":status": Number(status), "content-type": "text/html" },
        "<html>upstream connect error</html>"
      ),
      end: page(code, Number(status))
    }],
    [`HTTP status ${status} and nothing`, {
      handle: respond({ ":status": Number(status), "content-type": "text/html" }),
      end: page(code, Number(status))
    }]
  ])
)

const answers: Readonly<Record<string, Answer>> = {
  ...pages,
  "a page that reads as messages": {
    handle: respond({ ":status": 502, "content-type": "text/plain" }, Buffer.alloc(20)),
    end: page("UNAVAILABLE", 502, "text/plain")
  },
  "a page after its headers": {
    handle: (stream) => {
      stream.respond({ ":status": 503, "content-type": "text/html" })
      // The ping is answered after the headers.
      stream.session?.ping(() => stream.end("<html>"))
    },
    end: page("UNAVAILABLE", 503)
  },
  "a page with gRPC's content type": {
    handle: respond({ ":status": 503, "content-type": "application/grpc" }, "<html>"),
    end: page("UNAVAILABLE", 503, "application/grpc")
  },
  "a page with a gRPC status": {
    handle: respond({ ":status": 503, "content-type": "text/html", "grpc-status": "0" }, "<html>"),
    end: page("UNAVAILABLE", 503)
  },
  "another HTTP status with a gRPC failure": {
    handle: respond({ ":status": 503, "content-type": "application/grpc", "grpc-status": "7", "grpc-message": "no" }),
    end: "PERMISSION_DENIED peer: no"
  },
  "a page with HTTP status 200": {
    handle: respond({ ":status": 200, "content-type": "text/html" }, "<html>log in</html>"),
    end: `UNKNOWN transport (connection): Received text/html (HTTP status code 200) ${hint}`
  },
  "no content type": {
    handle: respond({ ":status": 200 }, message),
    end: `UNKNOWN transport (connection): Received no content type (HTTP status code 200) ${hint}`,
    grpcJs: noStatusThere
  },
  ...Object.fromEntries(["application/grpc-web", "application/grpcfoo", "application/grpc+json"].map((type) => [type, {
    handle: (stream: http2.ServerHttp2Stream) => rawServer.answer(stream, message, undefined, type),
    end: `UNKNOWN transport (connection): Received ${type} (HTTP status code 200) ${hint}`
  }])),
  "no status": { handle: respond(rawServer.grpcHeaders, message), end: noStatus, grpcJs: noStatusThere, got: ["a"] },
  "a success in its headers": {
    handle: respond({ ...rawServer.grpcHeaders, "grpc-status": "0" }, message),
    end: noStatus,
    grpcJs: noStatusThere,
    got: ["a"]
  },
  "a failure in its headers, and a body": {
    handle: respond({ ...rawServer.grpcHeaders, "grpc-status": "9" }, message),
    end: noStatus,
    grpcJs: noStatusThere,
    got: ["a"]
  },
  "trailers without a status": {
    handle: (stream) => rawServer.answer(stream, message, { "x-a": "b" }),
    end: noStatus,
    grpcJs: "UNKNOWN transport: the RPC ended without a status",
    got: ["a"]
  },
  "an invalid status": {
    handle: (stream) => rawServer.answer(stream, message, { "grpc-status": "abc" }),
    end: "UNKNOWN peer: ",
    got: ["a"]
  },
  "a failure after messages": {
    handle: (stream) => rawServer.answer(stream, message, { "grpc-status": "8", "grpc-message": "full" }),
    end: "RESOURCE_EXHAUSTED peer: full",
    got: ["a"]
  },
  "a compressed message without an encoding": {
    handle: (stream) => rawServer.answer(stream, prefixed(utf8("a"), { flag: 1 })),
    end: "INTERNAL client: Received a compressed message, but no encoding (grpc-encoding)",
    grpcJs: /^INTERNAL client: Received a compressed message/
  },
  "a message with an unknown compression": {
    handle: (stream) => {
      stream.respond({ ...rawServer.grpcHeaders, "grpc-encoding": "foo" }, { waitForTrailers: true })
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }))
      stream.end(prefixed(utf8("a"), { flag: 1 }))
    },
    end: "INTERNAL client: Received a message compressed with foo, which was not asked for",
    grpcJs: /^INTERNAL client: Received a compressed message/
  },
  "a reset after a message": {
    handle: (stream) => {
      stream.respond(rawServer.grpcHeaders)
      stream.write(message, () => stream.session?.ping(() => stream.destroy(new Error("no more"))))
    },
    end:
      "INTERNAL transport: Received RST_STREAM with code 2 (INTERNAL_ERROR); the exporter or a proxy in between failed: check its log",
    grpcJs: "INTERNAL transport: Received RST_STREAM with code 2 (Internal server error)",
    got: ["a"]
  },
  "a connection lost after a message": {
    handle: (stream) => {
      stream.respond(rawServer.grpcHeaders)
      stream.write(message, () => stream.session?.ping(() => stream.session?.destroy()))
    },
    end: /^UNAVAILABLE transport \(connection\): /,
    got: ["a"]
  }
}

const matches = (actual: string, expected: string | RegExp) =>
  typeof expected === "string" ? assert.strictEqual(actual, expected) : assert.match(actual, expected)

for (const kind of rawServer.kinds) {
  for (const transport of ["http2", "grpc-js"] as const) {
    describe(`over ${kind} through ${transport}`, () => {
      for (const [shape, run] of Object.entries(shapes)) {
        describe(`${shape} whose answer is`, () => {
          for (const [name, { end, got = [], grpcJs = end, handle }] of Object.entries(answers)) {
            it.scopedLive(name, () =>
              Effect.gen(function*() {
                const outcome = yield* run(yield* channelTo(kind, transport, handle))
                matches(outcome.end, transport === "http2" ? end : grpcJs)
                assert.deepStrictEqual(outcome.got, shape === "a call" ? [] : got)
              }))
          }
        })
      }

      describe("a call that has", () => {
        const of = (count: number): Handle => (stream) =>
          rawServer.answer(stream, Buffer.concat(Array.from({ length: count }, () => message)))

        it.scopedLive("no answer fails with UNIMPLEMENTED", () =>
          Effect.gen(function*() {
            const channel = yield* channelTo(kind, transport, of(0))
            const error = yield* Effect.flip(soon(channel.unary(path, request)))
            assert.strictEqual(told(error), "UNIMPLEMENTED client: the RPC ended without an answer")
          }))

        it.scopedLive("two answers fails with UNIMPLEMENTED", () =>
          Effect.gen(function*() {
            const channel = yield* channelTo(kind, transport, of(2))
            const error = yield* Effect.flip(soon(channel.unary(path, request)))
            assert.strictEqual(told(error), "UNIMPLEMENTED client: the RPC had more than one answer")
          }))

        it.scopedLive("endless answers fails with UNIMPLEMENTED", () =>
          Effect.gen(function*() {
            const channel = yield* channelTo(kind, transport, (stream) => {
              stream.respond(rawServer.grpcHeaders)
              const more = (): void => {
                if (stream.writable) stream.write(prefixed(new Uint8Array(1_000_000)), more)
              }
              more()
            })
            const error = yield* Effect.flip(soon(channel.unary(path, request)))
            assert.strictEqual(told(error), "UNIMPLEMENTED client: the RPC had more than one answer")
          }))
      })

      describe("accepts the content type", () => {
        for (const type of ["application/grpc", "application/grpc+proto", "application/grpc;a=b", "APPLICATION/GRPC"]) {
          it.scopedLive(type, () =>
            Effect.gen(function*() {
              const channel = yield* channelTo(
                kind,
                transport,
                (stream) => rawServer.answer(stream, message, undefined, type)
              )
              assert.strictEqual(text(yield* soon(channel.unary(path, request))), "a")
            }))
        }
      })

      it.scopedLive("delivers the metadata, whatever status is among the headers", () =>
        Effect.gen(function*() {
          const channel = yield* channelTo(kind, transport, (stream) => {
            stream.respond({ ...rawServer.grpcHeaders, "grpc-status": "9", "x-a": "b" }, { waitForTrailers: true })
            stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }))
            stream.end(message)
          })
          const call = yield* channel.duplex(path)
          assert.strictEqual((yield* soon(call.initialMetadata)).entries.get("x-a"), "b")
          assert.deepStrictEqual(yield* seen(Stream.map(messages(call.receive), text)), { got: ["a"], end: "OK" })
        }))
    })
  }

  describe(`over ${kind}, unread messages come before`, () => {
    const sizes = [1_000_000, 1_100_000, 1_200_000]

    const write = (stream: http2.ServerHttp2Stream, after: () => void): void => {
      stream.respond(rawServer.grpcHeaders)
      stream.write(
        Buffer.concat(sizes.map((size) => prefixed(new Uint8Array(size)))),
        () => stream.session?.ping(after)
      )
    }

    // This side causes some of the ends.
    type End = (stream: http2.ServerHttp2Stream, giveUp: () => void) => void

    const endings: Readonly<Record<string, readonly [handle: End, end: RegExp, comesFirst?: boolean]>> = {
      "a reset": [
        (stream) => write(stream, () => stream.destroy(new Error("no more"))),
        /^INTERNAL transport: Received RST_STREAM/,
        true
      ],
      "the loss of the connection": [
        (stream) => write(stream, () => stream.session?.destroy()),
        /^UNAVAILABLE transport \(connection\): /,
        true
      ],
      "giving up the connection": [write, /^UNAVAILABLE transport \(connection\): given up$/, true],
      "an end without a status": [
        (stream) => write(stream, () => stream.end()),
        /^INTERNAL transport: the RPC ended without a status/
      ],
      "a message that is too large": [
        (stream) => write(stream, () => stream.write(prefixed(new Uint8Array(), { length: 5_000_000 }))),
        /^RESOURCE_EXHAUSTED client: Received message larger than max/
      ],
      "a message that is compressed": [
        (stream) => write(stream, () => stream.write(prefixed(new Uint8Array(), { flag: 1 }))),
        /^INTERNAL client: Received a compressed message/
      ]
    }

    for (const [name, [handle, end, comesFirst = false]] of Object.entries(endings)) {
      it.scopedLive(name, () =>
        Effect.gen(function*() {
          const gaveUp = yield* Deferred.make<void>()
          const giveUp = (): void => Deferred.unsafeDone(gaveUp, Effect.void)
          const channel = yield* channelTo(kind, "http2", (stream) => handle(stream, giveUp))
          yield* Effect.forkScoped(
            Effect.zipRight(Deferred.await(gaveUp), channel.connection?.drop("given up") ?? Effect.void)
          )
          const call = yield* channel.duplex(path)
          yield* call.initialMetadata
          // The other ends are read only after the messages.
          if (comesFirst) yield* Effect.flip(soon(call.status))
          const got: Array<number> = []
          const error = yield* soon(Effect.flip(Effect.forever(
            Effect.map(call.receive, (chunk) => {
              for (const message of Chunk.toReadonlyArray(chunk)) got.push(text(message).length)
            })
          )))
          const status = Option.isOption(error) ? Option.getOrUndefined(error) : error
          matches(status === undefined ? "OK" : told(status), end)
          assert.deepStrictEqual(got, sizes)
        }))
    }
  })
}
