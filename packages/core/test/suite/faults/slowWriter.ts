// A writer that continues only when the test allows it. Nothing gives up, and everything arrives. The test holds a driver by
// stopping its exporter.
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Resource from "../../../src/resource/Resource.ts"
import { patternChunks, sha256 } from "../../support/probePattern.ts"
import { awaitStill, until } from "../harness.ts"
import type { Cell, Stage } from "./host.ts"
import { awaited } from "./operations.ts"
import type { Operation } from "./table.ts"
import { patience, within } from "./within.ts"

const mebibyte = 1024 * 1024

/** More than fits between a writer and a reader. */
const total = 64 * mebibyte

/** Stops the exporter for a while, and checks that the program waits. */
const hold = <A, E, R>({ freeze }: Stage["host"], start: Effect.Effect<Fiber.Fiber<A, E>, never, R>) =>
  Effect.scoped(Effect.gen(function*() {
    yield* freeze
    const waiting = yield* start
    deepStrictEqual(yield* Effect.timeoutOption(Fiber.await(waiting), patience), Option.none())
    return waiting
  }))

/** Stops the exporter while it writes, and lets it continue when nothing more arrives. */
const halfway = <A, E, R>(
  { host }: Stage,
  read: (received: (bytes: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    let count = 0
    const reading = yield* Effect.fork(read((bytes) => {
      count += bytes
      return Deferred.await(gate)
    }))
    const received = Effect.sync(() => count)
    yield* until("it has begun", received, (count) => count > 0)
    yield* Effect.scoped(Effect.gen(function*() {
      yield* host.freeze
      yield* Deferred.succeed(gate, undefined)
      const before = yield* awaitStill(received)
      strictEqual(before < total, true, `${before} bytes have come from an exporter that is held`)
      strictEqual(reading.unsafePoll(), null)
    }))
    const answer = yield* within("the rest", Fiber.join(reading))
    strictEqual(count, total)
    return answer
  })

export const slowWriter: Partial<Record<Operation, Cell>> = {
  "call": ({ host, probe }) =>
    Effect.gen(function*() {
      const calling = yield* hold(host, Effect.fork(probe.call("echo", 1)))
      deepStrictEqual(yield* within("the answer", Fiber.join(calling)), [1])
      return "completes"
    }),

  "streaming call": (stage) =>
    Effect.as(
      halfway(stage, (received) =>
        Stream.runForEach(
          stage.probe.streamingCall("flood", total / 65_536, 65_536),
          (item) => received(String(item).length)
        )),
      "completes"
    ),

  "byte stream": ({ probe }) =>
    Effect.gen(function*() {
      const stream = yield* probe.stream("bytes_echo")
      const pull = yield* Stream.toPull(stream.read)
      for (const chunk of patternChunks(mebibyte / 4)) {
        yield* stream.write(chunk)
        let echo = Chunk.empty<Uint8Array>()
        const isWhole = () => Chunk.reduce(echo, 0, (size, { length }) => size + length) >= chunk.length
        const more = Effect.map(pull, (pieces) => {
          echo = Chunk.appendAll(echo, pieces)
        })
        yield* within("an echo", Effect.repeat(more, { until: isWhole }))
        strictEqual(sha256(echo), sha256([chunk]))
      }
      yield* stream.end
      deepStrictEqual(yield* within("the end", Effect.flip(pull)), Option.none())
      return "completes"
    }),

  "upload": ({ bytes, probe }) =>
    Effect.gen(function*() {
      const given = yield* Mailbox.make<Uint8Array>()
      const handle = yield* probe.resource(Resource.source(Mailbox.toStream(given)))
      const uploading = yield* Effect.fork(probe.call("consume", handle))
      let size = 0
      for (const chunk of patternChunks(mebibyte / 4)) {
        size += chunk.length
        yield* given.offer(chunk)
        yield* until("the driver has it", bytes("consume"), (taken) => taken === size)
      }
      yield* given.end
      deepStrictEqual(
        yield* within("the answer", Fiber.join(uploading)),
        { size, sha256: sha256(patternChunks(size)) }
      )
      return "completes"
    }),

  "download": (stage) =>
    Effect.gen(function*() {
      const chunks: Array<Uint8Array> = []
      const answer = yield* halfway(stage, (received) => {
        const sink = Sink.forEach((chunk: Uint8Array) => {
          chunks.push(chunk)
          return received(chunk.length)
        })
        return Effect.flatMap(
          stage.probe.resource(Resource.sink(sink)),
          (handle) => stage.probe.call("produce", handle, total)
        )
      })
      strictEqual(answer, sha256(chunks))
      return "completes"
    }),

  "log stream": ({ admin, connection, host }) =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const reading = yield* Effect.fork(Stream.runForEachWhile(connection.logs, (event) => {
        seen.push(event._tag === "LogGap" ? event.reason : event.message)
        return Effect.succeed(seen.at(-1) !== "after")
      }))
      yield* until("the log is read", admin.call("log", "INFO", "before"), () => seen.includes("before"))
      yield* hold(host, Effect.succeed(reading))
      yield* admin.call("log", "INFO", "after")
      yield* within("the next line", Fiber.join(reading))
      strictEqual(seen.includes("interrupted"), false)
      return "completes"
    }),

  "status wait": ({ admin, connection, host }) =>
    Effect.gen(function*() {
      const waiting = yield* hold(host, Effect.fork(connection.awaitStatus(awaited)))
      yield* admin.call("set_status", awaited)
      strictEqual((yield* within("the status", Fiber.join(waiting))).status, awaited)
      return "completes"
    })
}
