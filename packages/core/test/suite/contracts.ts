// Typed clients check arguments and results against the contract (design: errors).
import { describe } from "@effect/vitest"
import { assertInstanceOf, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import * as Resource from "../../src/resource/Resource.ts"
import { concat } from "../support/bytes.ts"
import { awaitEvent, call, described, fails, siteOf, test } from "./harness.ts"
import type * as peer from "./peer.ts"

class Channel extends Schema.Class<Channel>("Channel")({
  at: Schema.Date,
  label: Schema.optional(Schema.String),
  offset: Schema.BigInt
}) {}

const Limits = Schema.Struct({ channels: Schema.Array(Schema.Struct({ volts: Schema.Number })) })

const refused = { tag: "InvalidArgument", code: "INVALID_ARGUMENT", origin: "client" } as const

const unexpected = { tag: "UnexpectedResult", code: "UNKNOWN", origin: "client" } as const

export const contracts = (peer: peer.Peer): void => {
  const check = test(peer)

  describe("contracts", () => {
    check(
      "convert values with their schemas",
      Effect.gen(function*() {
        const echo = yield* described(
          "echo",
          DriverMethod.call({ args: [Channel], result: Schema.Tuple(Channel) })
        )
        const channel = new Channel({ at: new Date("2026-01-02T03:04:05.678Z"), offset: 2n ** 80n, label: undefined })
        const [echoed] = yield* echo(channel)
        assertInstanceOf(echoed, Channel)
        deepStrictEqual([echoed.at, echoed.offset, echoed.label], [channel.at, channel.offset, undefined])
        const sent = yield* described("echo", DriverMethod.call({ args: [Channel], result: DriverMethod.Json }))
        deepStrictEqual(yield* sent(channel), [{ at: "2026-01-02T03:04:05.678Z", offset: String(2n ** 80n) }])
      })
    )

    check(
      "allow optional arguments to be left out, even before other arguments",
      Effect.gen(function*() {
        const { optional } = DriverMethod
        const echo = yield* described(
          "echo",
          DriverMethod.call({
            args: [optional(Schema.Number), optional(Schema.String, { fallback: "fast" }), optional(Schema.Boolean)],
            result: DriverMethod.Json
          })
        )
        deepStrictEqual(yield* echo(), [])
        deepStrictEqual(yield* echo(1, undefined), [1])
        deepStrictEqual(yield* echo(undefined, undefined, true), [null, "fast", true])
      })
    )

    check(
      "refuse arguments before anything is sent",
      Effect.gen(function*() {
        const positive = Schema.Struct({ volts: Schema.Positive })
        const sleep = yield* described("sleep", DriverMethod.call({ args: [Schema.Array(positive)] }))
        const count = yield* described(
          "count",
          DriverMethod.streamingCall({ args: [Schema.Number, positive], item: Schema.Number })
        )
        yield* fails(sleep([{ volts: 5 }, { volts: -5 }]), siteOf("sleep", "call"), {
          ...refused,
          details: /positive number, actual -5/,
          path: [0, 1, "volts"]
        })
        yield* fails(Stream.runDrain(count(3, { volts: -5 })), siteOf("count", "streamingCall"), {
          ...refused,
          path: [1, "volts"]
        })
        deepStrictEqual(yield* call.events(), [])
      })
    )

    check(
      "answer what a sink made of the bytes, where they say of no other result",
      Effect.gen(function*() {
        const produce = yield* described("produce", DriverMethod.call({ args: [DriverMethod.sink, Schema.Number] }))
        const size = Sink.map(Sink.collectAll<Uint8Array>(), (chunks) => concat(chunks).length)
        strictEqual(yield* produce(Resource.sink(size), 100_000), 100_000)
      })
    )

    check(
      "tell where a result is not what they say",
      Effect.gen(function*() {
        const echo = yield* described(
          "echo",
          DriverMethod.call({ args: [DriverMethod.Json], result: Schema.Tuple(Limits) })
        )
        yield* fails(echo({ channels: [{ volts: 5 }, { volts: "5" }] }), siteOf("echo", "call"), {
          ...unexpected,
          details: /number, actual "5"/,
          path: [0, "channels", 1, "volts"]
        })
      })
    )

    check(
      "end a streaming call at the first item that does not fit",
      Effect.gen(function*() {
        const forever = yield* described(
          "forever",
          DriverMethod.streamingCall({ item: Schema.Number.pipe(Schema.lessThan(3)) })
        )
        const seen: Array<number> = []
        const reading = Stream.runForEach(forever(), (item) => Effect.sync(() => seen.push(item)))
        yield* fails(reading, siteOf("forever", "streamingCall"), { ...unexpected, path: [3] })
        deepStrictEqual(seen, [0, 1, 2])
        yield* awaitEvent("forever:closed")
      })
    )
  })
}
