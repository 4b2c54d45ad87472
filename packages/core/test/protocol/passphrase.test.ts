import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Ref, Stream } from "effect"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as passphrases from "../../src/protocol/passphrase.ts"
import type * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { utf8 } from "../support/bytes.ts"
import { messages } from "../support/messages.ts"
import { transports } from "../support/transports.ts"

const { Duplex, ServerStreaming, Unary } = GrpcHandler

const secret = Redacted.make("sesame oeffne dich")

// One RPC of each shape. Its handler records that it ran, and echoes its request.
const shapes = ["Unary", "ServerStreaming", "Duplex"] as const

const handlers = (note: Effect.Effect<void>) =>
  new Map<string, GrpcHandler>([
    ["/t.S/Unary", Unary({ handle: (message) => Effect.as(note, message) })],
    ["/t.S/ServerStreaming", ServerStreaming({ handle: (message) => Stream.fromEffect(Effect.as(note, message)) })],
    ["/t.S/Duplex", Duplex({ handle: ({ send }) => Effect.zipRight(note, send(utf8("hi"))) })]
  ])

const run = (channel: GrpcChannel.Channel, shape: typeof shapes[number]) => {
  switch (shape) {
    case "Unary":
      return Effect.asVoid(channel.unary("/t.S/Unary", utf8("hi")))
    case "ServerStreaming":
      return Stream.runDrain(channel.serverStreaming("/t.S/ServerStreaming", utf8("hi")))
    case "Duplex":
      return Effect.scoped(
        Effect.flatMap(channel.duplex("/t.S/Duplex"), ({ receive }) => Stream.runDrain(messages(receive)))
      )
  }
}

describe.each(transports)("a passphrase over $name", (transport) => {
  for (const shape of shapes) {
    transport.it(`guards ${shape} calls`, () =>
      Effect.gen(function*() {
        const runs = yield* Ref.make(0)
        const open = yield* transport.serve(passphrases.demand(handlers(Ref.update(runs, (n) => n + 1)), secret))
        for (const passphrase of [undefined, Redacted.make("sesam"), Redacted.make("")]) {
          const channel = yield* passphrases.present(open(), "", passphrase)
          const error = yield* Effect.flip(run(channel, shape))
          assert.strictEqual(error.code, "UNAUTHENTICATED")
          assert.strictEqual(error.details, "invalid or missing passphrase")
          assert.strictEqual(error.origin, "peer")
        }
        assert.strictEqual(yield* Ref.get(runs), 0)
        yield* run(yield* passphrases.present(open(), "", secret), shape)
        assert.strictEqual(yield* Ref.get(runs), 1)
      }))
  }

  transport.it("leaves an unknown method UNIMPLEMENTED", () =>
    Effect.gen(function*() {
      const open = yield* transport.serve(passphrases.demand(handlers(Effect.void), secret))
      const error = yield* Effect.flip((yield* open()).unary("/t.S/Nope", utf8("")))
      assert.strictEqual(error.code, "UNIMPLEMENTED")
    }))
})

it.effect("a passphrase that cannot be sent is refused before a channel is opened", () =>
  Effect.gen(function*() {
    const open = Effect.dieMessage("a channel was opened")
    const error = yield* Effect.flip(passphrases.present(open, "there", Redacted.make("h\u00fcnter2")))
    assert.strictEqual(error.origin, "client")
    assert.strictEqual(error.target, "there")
    assert.notInclude(error.message, "h\u00fcnter2")
  }))
