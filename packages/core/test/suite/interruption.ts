// Interruption ends an operation on both sides, and releases what it acquired, once (design: semantics 1).
import { describe } from "@effect/vitest"
import { strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Resource from "../../src/resource/Resource.ts"
import { patternChunks } from "../support/probePattern.ts"
import { awaitEvent, call, counter, items, test, until, use } from "./harness.ts"
import type * as peer from "./peer.ts"

export const interruption = (peer: peer.Peer): void => {
  const check = test(peer)

  // Runs an effect until the exporter is running it, interrupts it, and waits until the exporter has released everything.
  const interrupted = <A, E>(
    name: string,
    method: string,
    make: (released: Effect.Effect<void>) => Effect.Effect<A, E, peer.Session>,
    begun: Effect.Effect<unknown, unknown, peer.Session> = Effect.void
  ) =>
    check(
      name,
      Effect.gen(function*() {
        const finalizer = counter()
        const running = yield* Effect.fork(make(finalizer.increment))
        yield* awaitEvent(`${method}:open`)
        yield* begun
        const exit = yield* Effect.timeout(Fiber.interrupt(running), "2 seconds")
        strictEqual(Exit.isInterrupted(exit), true)
        strictEqual(finalizer.count(), 1)
        yield* awaitEvent(`${method}:closed`)
        strictEqual(yield* call.open_count(), 0)
        strictEqual(finalizer.count(), 1)
      })
    )

  describe("interruption", () => {
    interrupted("of a hanging call", "hang", (released) => Effect.ensuring(call.hang(), released))

    check(
      "of a hanging call cancels it in the driver",
      Effect.gen(function*() {
        const running = yield* Effect.fork(call.hang())
        yield* awaitEvent("hang:open")
        yield* Fiber.interrupt(running)
        yield* awaitEvent("hang:cancelled")
      })
    )

    interrupted(
      "of a half-read streaming call",
      "forever",
      (released) => items((probe) => probe.forever()).pipe(Stream.ensuring(released), Stream.runDrain)
    )

    interrupted(
      "of a streaming call that is not read",
      "flood",
      (released) =>
        items((probe) => probe.flood(1_000, 1_000_000)).pipe(
          Stream.ensuring(released),
          Stream.runForEach(() => Effect.never)
        )
    )

    interrupted("of an idle byte stream", "idle", (released) =>
      Effect.scoped(Effect.gen(function*() {
        yield* Effect.addFinalizer(() => released)
        const stream = yield* call.idle()
        yield* Stream.runDrain(stream.read)
      })))

    interrupted(
      "of a byte stream that waits for its device",
      "sink_stuck",
      (released) =>
        Effect.scoped(Effect.gen(function*() {
          yield* Effect.addFinalizer(() => released)
          const stream = yield* call.sink_stuck()
          yield* Effect.forever(stream.write(new Uint8Array(65_536)))
        }))
    )

    interrupted(
      "of a half-sent upload",
      "consume",
      (released) =>
        Effect.scoped(Effect.gen(function*() {
          const half = Stream.concat(Stream.fromIterable(patternChunks(1_000_000)), Stream.never)
          const source = Resource.source(Stream.ensuring(half, released), { size: 2_000_000 })
          return yield* use((probe) => probe.consume(source))
        })),
      until("half of it arrived", call.bytes_count("consume"), (count) => count === 1_000_000)
    )

    check(
      "of a half-sent upload does not look like its end",
      Effect.gen(function*() {
        const running = yield* Effect.fork(Effect.scoped(Effect.gen(function*() {
          const half = Stream.concat(Stream.fromIterable(patternChunks(1_000_000)), Stream.never)
          return yield* use((probe) => probe.consume(Resource.source(half)))
        })))
        yield* until("half of it arrived", call.bytes_count("consume"), (count) => count === 1_000_000)
        yield* Fiber.interrupt(running)
        yield* awaitEvent("consume:closed")
        const events = JSON.stringify(yield* call.events())
        // Both the call and the transfer are cancelled, and the driver may notice the transfer first.
        if (peer.quirks.cutOffUpload === "looks complete") return
        strictEqual(/consume:(cancelled|error:Connection)/.test(events), true, events)
        strictEqual(events.includes("consume:eof"), false, events)
      })
    )

    interrupted(
      "of a half-received download",
      "produce",
      (released) =>
        Effect.scoped(Effect.gen(function*() {
          yield* Effect.addFinalizer(() => released)
          const sink = Resource.sink(Sink.forEach(() => Effect.never))
          return yield* use((probe) => probe.produce(sink, 64 * 1024 * 1024))
        }))
    )
  })
}
