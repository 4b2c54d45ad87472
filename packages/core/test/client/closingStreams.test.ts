// Byte streams of one connection that close at the same time, on a device that ends them slowly, one after the other.
import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as ExporterTest from "../../src/testing/ExporterTest.ts"

const count = 10

describe("byte streams that close at the same time", () => {
  // The last one takes a second, and one alone is cancelled after half a second.
  it.live("are not cancelled while the device ends one after the other", () => {
    const ends: Array<string> = []
    let opened = 0
    const slow = Driver.make({
      client: "test.Slow",
      methods: {
        connect: Driver.streamTransform((input) => {
          const rest = Effect.sleep(100 * ++opened)
          return Stream.concat(Stream.drain(input), Stream.drain(Stream.fromEffect(rest))).pipe(
            Stream.ensuringWith((exit) =>
              Effect.sync(() => void ends.push(Exit.isInterrupted(exit) ? "cancelled" : "ended"))
            )
          )
        })
      }
    })
    return Effect.gen(function*() {
      const device = yield* ExporterConnection.driver("slow")
      const use = Effect.scoped(Effect.flatMap(device.stream("connect"), ({ write }) => write(Uint8Array.of(1))))
      yield* Effect.all(Array.from({ length: count }, () => use), { concurrency: "unbounded", discard: true })
      deepStrictEqual(ends, Array.from({ length: count }, () => "ended"))
    }).pipe(Effect.provide(ExporterTest.layer({ slow })))
  })
})
