// A reader that continues only when the test allows it. The writer is held back, or the reader counts what it missed.
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as ExporterConnection from "../../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../../src/grpc/Endpoint.ts"
import type { StatusChange } from "../../../src/protocol/ExporterStatus.ts"
import type { LogEvent } from "../../../src/protocol/LogEntry.ts"
import * as Resource from "../../../src/resource/Resource.ts"
import { patternChunks, sha256 } from "../../support/probePattern.ts"
import * as relay from "../../support/relay.ts"
import * as temporary from "../../support/temporary.ts"
import { awaitStill, until } from "../harness.ts"
import type { Cell } from "./host.ts"
import type { Operation } from "./table.ts"
import { within } from "./within.ts"

const mebibyte = 1024 * 1024

const total = 64 * mebibyte

/** Checks how many bytes are under way between a writer and a reader that does not read. */
const checkHeldBack = (bytes: number, limit = 24 * mebibyte) =>
  Effect.sync(() => assertTrue(bytes <= limit, `${bytes} bytes are under way to a reader that does not read`))

const digestOf = (chunks: Iterable<Uint8Array>) => ({ size: total, sha256: sha256(chunks) })

const whole = digestOf(patternChunks(total))

/** A reader of bytes that waits after each chunk until the test opens its gate. */
const makeReader = Effect.map(Deferred.make<void>(), (gate) => {
  const chunks: Array<Uint8Array> = []
  return {
    read: (chunk: Uint8Array) => {
      chunks.push(chunk)
      return Deferred.await(gate)
    },
    go: Deferred.succeed(gate, undefined),
    check: Effect.sync(() => deepStrictEqual(digestOf(chunks), whole))
  }
})

export const slowReader: Partial<Record<Operation, Cell>> = {
  "streaming call": ({ bytes, probe }) =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const size = 65_536
      let received = 0
      const reading = yield* Effect.fork(Stream.runForEach(probe.streamingCall("flood", total / size, size), (item) => {
        received += String(item).length
        return Deferred.await(gate)
      }))
      yield* Effect.flatMap(awaitStill(bytes("flood")), checkHeldBack)
      yield* Deferred.succeed(gate, undefined)
      yield* within("the rest", Fiber.join(reading))
      strictEqual(received, total)
      return "held back"
    }),

  "byte stream": ({ bytes, probe }) =>
    Effect.gen(function*() {
      const reader = yield* makeReader
      const stream = yield* probe.stream("source_endless")
      let left = total
      const reading = yield* Effect.fork(Stream.runForEachWhile(stream.read, (chunk) => {
        left -= chunk.length
        return Effect.as(reader.read(chunk), left > 0)
      }))
      yield* Effect.flatMap(awaitStill(bytes("source_endless")), checkHeldBack)
      yield* reader.go
      yield* within("the rest", Fiber.join(reading))
      yield* reader.check
      return "held back"
    }),

  "upload": ({ bytes, host }) =>
    Effect.gen(function*() {
      let given = 0
      let sent = 0
      const source = Stream.tap(Stream.fromIterable(patternChunks(total, 4 * 65_536)), (chunk) =>
        Effect.sync(() => {
          given += chunk.length
        }))
      const front = yield* temporary.socketPath
      yield* relay.make(front, host.path, (caller) =>
        caller.on("data", (bytes) => {
          sent += bytes.length
        }))
      const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(front))
      const probe = yield* connection.driver("probe")
      const handle = yield* probe.resource(Resource.source(source))
      const uploading = yield* Effect.fork(probe.call("consume_slow", handle, 0.005))
      // The driver reads at its own pace, also while the test requests its count.
      yield* Effect.suspend(() => {
        const before = given
        return Effect.zipRight(
          checkHeldBack(given - sent, 3 * mebibyte),
          Effect.tap(bytes("consume_slow"), (taken) => checkHeldBack(before - taken, host.quirks.grantedUpload))
        )
      }).pipe(Effect.repeat({ until: (taken) => taken === total, schedule: Schedule.spaced("5 millis") }))
      deepStrictEqual(yield* within("the answer", Fiber.join(uploading)), whole)
      return "held back"
    }),

  "download": ({ bytes, probe }) =>
    Effect.gen(function*() {
      const reader = yield* makeReader
      const handle = yield* probe.resource(Resource.sink(Sink.forEach(reader.read)))
      const downloading = yield* Effect.fork(probe.call("produce", handle, total))
      yield* Effect.flatMap(awaitStill(bytes("produce")), checkHeldBack)
      yield* reader.go
      strictEqual(yield* within("the rest", Fiber.join(downloading)), whole.sha256)
      yield* reader.check
      return "held back"
    }),

  "log stream": ({ admin, connection }) =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const [fast, slow]: [Array<LogEvent>, Array<LogEvent>] = [[], []]
      const log = admin.call("log", "INFO", "line")
      yield* Effect.forkScoped(Stream.runForEach(connection.logs, (event) => Effect.sync(() => fast.push(event))))
      yield* until("somebody reads the log", log, () => fast.length > 0)
      const reading = yield* Effect.fork(Stream.runForEachWhile(connection.logs, (event) => {
        slow.push(event)
        return Effect.as(Deferred.await(gate), slow.at(-2)?._tag !== "LogGap")
      }))
      yield* until("somebody reads it slowly", log, () => slow.length > 0)
      yield* Effect.replicateEffect(log, 16, { concurrency: "unbounded", discard: true }).pipe(
        Effect.repeat({ until: () => fast.length > 1_500 })
      )
      yield* Deferred.succeed(gate, undefined)
      yield* until("the slow one has caught up", log, () => reading.unsafePoll() !== null)
      const missed = slow.flatMap((event) => event._tag === "LogGap" ? [event] : [])
      deepStrictEqual(missed.map(({ reason }) => reason), ["slow reader"])
      const [first, last] = [slow.at(0), slow.at(-1)].map((event) => fast.findIndex((other) => other === event))
      strictEqual(
        slow.length - missed.length + missed.reduce((sum, { dropped }) => sum + Option.getOrElse(dropped, () => 0), 0),
        Number(last) - Number(first) + 1
      )
      return "counts what it missed"
    }),

  "status wait": ({ admin, connection }) =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const [fast, slow]: [Array<StatusChange>, Array<StatusChange>] = [[], []]
      const count = 100
      yield* Effect.forkScoped(
        Stream.runForEach(connection.statusChanges, (change) => Effect.sync(() => fast.push(change)))
      )
      const reading = yield* Effect.fork(Stream.runForEachWhile(connection.statusChanges, (change) => {
        slow.push(change)
        return Effect.as(Deferred.await(gate), change.message !== String(count))
      }))
      yield* until("both listen", Effect.sync(() => [fast.length, slow.length]), ([a, b]) => a === 1 && b === 1)
      for (let index = 1; index <= count; index++) {
        yield* admin.call("set_status", index % 2 === 0 ? "LEASE_READY" : "BEFORE_LEASE_HOOK", String(index))
        yield* until("it is heard of", Effect.sync(() => fast.at(-1)?.message), (message) => message === String(index))
      }
      yield* Deferred.succeed(gate, undefined)
      yield* within("the latest status", Fiber.join(reading))
      assertTrue(slow.length < count, "more is kept than there is room for")
      strictEqual(slow.slice(1).reduce((sum, { missed }) => sum + 1 + missed, 0), count)
      return "counts what it missed"
    })
}
