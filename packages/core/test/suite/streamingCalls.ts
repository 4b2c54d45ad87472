// Streaming calls: order, early ends, and failures before and after the first item (protocol.md 4).
import { describe } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import { Power } from "../../src/drivers/index.ts"
import { failures } from "./calls.ts"
import { awaitEvent, awaitStill, call, described, fails, items, methodsOf, siteOf, test } from "./harness.ts"
import type * as peer from "./peer.ts"

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

const forever = items((probe) => probe.forever())

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

export const streamingCalls = (peer: peer.Peer): void => {
  const check = test(peer)
  const { quirks, thorough } = peer

  describe("streaming calls", () => {
    for (const count of [0, 1, thorough ? 10_000 : 1_000]) {
      check(
        `yields ${count} items in order`,
        Effect.gen(function*() {
          deepStrictEqual(yield* collect(items((probe) => probe.count(count))), numbers(count))
          yield* awaitEvent("count:closed")
          deepStrictEqual(yield* call.events(), ["count:open", "count:closed"])
        })
      )
    }

    check(
      "yields items as they come",
      Effect.gen(function*() {
        deepStrictEqual(yield* collect(items((probe) => probe.count(3, 0.02))), [0, 1, 2])
        deepStrictEqual(yield* collect(items((probe) => probe.count_sync(3))), [0, 1, 2])
      })
    )

    check(
      "reads the power driver of the mock",
      Effect.gen(function*() {
        const readings = [{ voltage: 0, current: 0 }, { voltage: 5, current: 2 }]
        for (const path of ["power", "alias", "nested.inner.power"]) {
          const power = yield* methodsOf(path, Power.contract)
          yield* power.on()
          deepStrictEqual(yield* collect(power.read()), readings)
          yield* power.off()
        }
      })
    )

    check(
      "ending early cancels the call",
      Effect.gen(function*() {
        deepStrictEqual(yield* collect(Stream.take(forever, 3)), [0, 1, 2])
        yield* awaitEvent("forever:cancelled")
        yield* awaitEvent("forever:closed")
        strictEqual(yield* call.open_count(), 0)
      })
    )

    check(
      "a timeout cancels a silent stream",
      Effect.gen(function*() {
        strictEqual(
          Option.isNone(yield* Effect.timeoutOption(Stream.runDrain(items((probe) => probe.silent())), "200 millis")),
          true
        )
        yield* awaitEvent("silent:cancelled")
        yield* awaitEvent("silent:closed")
      })
    )

    check(
      "a failing consumer cancels the call and keeps its error",
      Effect.gen(function*() {
        const error = yield* Effect.flip(Stream.runForEach(forever, (item) => Effect.fail(`item ${item}`)))
        strictEqual(error, "item 0")
        yield* awaitEvent("forever:closed")
      })
    )

    for (const { code, kind, tag } of failures) {
      check(
        `${kind} fails with ${tag}, before the first item and after it`,
        Effect.gen(function*() {
          const quirk = quirks.failures[kind]
          for (const before of [0, 3]) {
            const seen: Array<number> = []
            const failing = Stream.runForEach(
              items((probe) => probe.fail_after(before, kind, "no")),
              (item) =>
                Effect.sync(() => {
                  seen.push(item)
                })
            )
            yield* fails(failing, siteOf("fail_after", "streamingCall"), {
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
          const items = yield* described(method, DriverMethod.streamingCall({ item: DriverMethod.Json }))
          yield* fails(collect(items()), siteOf(method, "streamingCall"), {
            tag: "MethodNotImplemented",
            code: quirks.missingStreamingCall,
            origin: "driver"
          })
        })
      )
    }

    check(
      "does not send a request that is too large",
      Effect.gen(function*() {
        yield* fails(
          collect(items((probe) => probe.fail_after(1, "runtime", "x".repeat(5 * 1024 * 1024)))),
          siteOf("fail_after", "streamingCall"),
          {
            tag: "InvalidArgument",
            code: "INVALID_ARGUMENT",
            origin: "client",
            details: /the protocol allows at most 4194304/
          }
        )
        deepStrictEqual(yield* call.events(), [])
      })
    )

    check(
      "fails with UnexpectedResult when an item is too large",
      Effect.gen(function*() {
        const flood = items((probe) => probe.flood(2, 5 * 1024 * 1024))
        yield* fails(collect(flood), siteOf("flood", "streamingCall"), {
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
        const sizes = Stream.map(items((probe) => probe.flood(20, 1_000_000)), (item) => item.length)
        deepStrictEqual(yield* collect(sizes), Array.from({ length: 20 }, () => 1_000_000))
      })
    )

    check(
      "a consumer that does not read slows the driver down",
      Effect.gen(function*() {
        const total = 200
        const taken = yield* Effect.scoped(Effect.gen(function*() {
          const pull = yield* Stream.toPull(items((probe) => probe.flood(total, 1_000_000)))
          yield* pull
          return yield* awaitStill(call.bytes_count("flood"))
        }))
        strictEqual(taken < total * 500_000, true, `the driver produced ${taken} bytes that the client did not read`)
        yield* awaitEvent("flood:closed")
      })
    )
  })
}
