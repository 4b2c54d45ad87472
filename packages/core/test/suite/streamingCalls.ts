// Streaming calls: order, early ends, and failures before and after the first item (protocol.md 4).
import { describe } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { JsonValue } from "../../src/ProtobufValue.ts"
import { failures, siteOf } from "./calls.ts"
import { awaitEvent, awaitStill, call, driver, fails, probe, test } from "./harness.ts"
import type * as peer from "./peer.ts"

const items = (method: string, ...args: ReadonlyArray<JsonValue>) =>
  Stream.unwrap(Effect.map(probe, (client) => client.streamingCall(method, ...args)))

const collect = (method: string, ...args: ReadonlyArray<JsonValue>) =>
  Effect.map(Stream.runCollect(items(method, ...args)), Chunk.toReadonlyArray)

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

export const streamingCalls = (peer: peer.Peer): void => {
  const check = test(peer)
  const { quirks, thorough } = peer

  describe("streaming calls", () => {
    for (const count of [0, 1, thorough ? 10_000 : 1_000]) {
      check(
        `yields ${count} items in order`,
        Effect.gen(function*() {
          deepStrictEqual(yield* collect("count", count), numbers(count))
          yield* awaitEvent("count:closed")
          deepStrictEqual(yield* call("events"), ["count:open", "count:closed"])
        })
      )
    }

    check(
      "yields items as they come",
      Effect.gen(function*() {
        deepStrictEqual(yield* collect("count", 3, 0.02), [0, 1, 2])
        deepStrictEqual(yield* collect("count_sync", 3), [0, 1, 2])
      })
    )

    check(
      "reads the power driver of the mock",
      Effect.gen(function*() {
        const readings = [{ voltage: 0, current: 0 }, { voltage: 5, current: 2 }]
        for (const path of ["power", "alias", "nested.inner.power"]) {
          const power = yield* driver(path)
          strictEqual(yield* power.call("on"), null)
          deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(power.streamingCall("read"))), readings)
          strictEqual(yield* power.call("off"), null)
        }
      })
    )

    check(
      "ending early cancels the call",
      Effect.gen(function*() {
        deepStrictEqual(
          Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.take(items("forever"), 3))),
          [0, 1, 2]
        )
        yield* awaitEvent("forever:cancelled")
        yield* awaitEvent("forever:closed")
        strictEqual(yield* call("open_count"), 0)
      })
    )

    check(
      "a stream that says nothing can be given up",
      Effect.gen(function*() {
        strictEqual(Option.isNone(yield* Effect.timeoutOption(Stream.runDrain(items("silent")), "200 millis")), true)
        yield* awaitEvent("silent:cancelled")
        yield* awaitEvent("silent:closed")
      })
    )

    check(
      "a failing consumer cancels the call and keeps its error",
      Effect.gen(function*() {
        const error = yield* Effect.flip(Stream.runForEach(items("forever"), (item) => Effect.fail(`item ${item}`)))
        strictEqual(error, "item 0")
        yield* awaitEvent("forever:closed")
      })
    )

    for (const { code, kind, tag } of failures) {
      check(
        `${kind} fails with ${tag}, before the first item and after it`,
        Effect.gen(function*() {
          const site = { ...yield* siteOf("fail_after"), kind: "streamingCall" } as const
          const quirk = quirks.failures[kind]
          for (const before of [0, 3]) {
            const seen: Array<JsonValue> = []
            const failing = Stream.runForEach(items("fail_after", before, kind, "no"), (item) =>
              Effect.sync(() => {
                seen.push(item)
              }))
            yield* fails(failing, site, {
              tag,
              code: quirk?.code ?? code,
              origin: "driver",
              details: quirk?.details ?? "no"
            })
            deepStrictEqual(seen, numbers(before))
          }
        })
      )
    }

    for (
      const [what, method] of [
        ["does not exist", "missing"],
        ["is not exported", "unexported"],
        ["is a call", "echo"],
        ["is a byte stream", "idle"]
      ] as const
    ) {
      check(
        `refuses a method that ${what}`,
        Effect.gen(function*() {
          yield* fails(collect(method), { ...yield* siteOf(method), kind: "streamingCall" }, {
            tag: "MethodNotImplemented",
            code: "NOT_FOUND",
            origin: "driver"
          })
        })
      )
    }

    check(
      "does not send a request that is too large",
      Effect.gen(function*() {
        const site = { ...yield* siteOf("count"), kind: "streamingCall" } as const
        yield* fails(collect("count", 1, "x".repeat(5 * 1024 * 1024)), site, {
          tag: "InvalidArgument",
          code: "INVALID_ARGUMENT",
          origin: "client",
          details: /the protocol allows 4194304/
        })
        deepStrictEqual(yield* call("events"), [])
      })
    )

    check(
      "tells of an item that is too large",
      Effect.gen(function*() {
        const site = { ...yield* siteOf("flood"), kind: "streamingCall" } as const
        yield* fails(collect("flood", 2, 5 * 1024 * 1024), site, {
          tag: "UnexpectedResult",
          code: "RESOURCE_EXHAUSTED",
          origin: "client",
          details: /larger than max/
        })
        yield* awaitEvent("flood:closed")
      })
    )

    check(
      "carries large items",
      Effect.gen(function*() {
        const sizes = Stream.map(items("flood", 20, 1_000_000), (item) => typeof item === "string" ? item.length : -1)
        deepStrictEqual(
          Chunk.toReadonlyArray(yield* Stream.runCollect(sizes)),
          Array.from({ length: 20 }, () => 1_000_000)
        )
      })
    )

    check(
      "a consumer that does not read slows the driver down",
      Effect.gen(function*() {
        const total = 200
        const taken = yield* Effect.scoped(Effect.gen(function*() {
          const pull = yield* Stream.toPull(items("flood", total, 1_000_000))
          yield* pull
          return yield* awaitStillFlood
        }))
        strictEqual(taken < total * 500_000, true, `the driver produced ${taken} bytes nobody read`)
        yield* awaitEvent("flood:closed")
      })
    )
  })
}

const awaitStillFlood = Effect.map(awaitStill(call("bytes_count", "flood")), Number)
