// The bytes in flight between a client and drivers in the same process: no more than a wire would hold.
import { Device, Driver, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import { Flasher } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, FlasherTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Exit, Fiber, Option, Sink, Stream, TestClock } from "effect"
import { MemoryPipe } from "../../../src/transport/memory/pipe.ts"

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

class Board extends Device.Tag("test/memoryPipe/Board", Flasher.contract)<Board>() {}

/** Runs a program with a board whose flasher is this one. */
const on = (driver: Driver.Driver) => <A, E>(program: Effect.Effect<A, E, Board>) =>
  program.pipe(Effect.provide(Board.layer("flasher")), Effect.provide(ExporterTest.layer({ flasher: driver })))

/** 8 MiB. */
const size = 8 * mebibyte

const pieces = (chunk: number) => Stream.map(Stream.range(1, size / chunk), () => new Uint8Array(chunk))

/** Lets all fibers run until they wait for something else than their turn. */
const settle = Effect.repeatN(Effect.yieldNow(), 2_000)

describe("a transfer in memory", () => {
  for (const chunk of [64 * kibibyte, 256 * kibibyte, size]) {
    it.effect(`of chunks of ${chunk / kibibyte} KiB is never far ahead of the device`, () =>
      Effect.gen(function*() {
        const flasher = yield* FlasherTest.make({ bytesPerSecond: size / 2 })
        const seen: Array<Resource.TransferProgress> = []
        const image = Resource.withProgress(
          Resource.source(pieces(chunk), { size }),
          Stream.runForEach((step) => Effect.sync(() => seen.push(step)))
        )
        const patient = Resource.withIdleTimeout(image, "200 millis")
        const flashing = yield* Effect.fork(
          Effect.flatMap(Board, (board) => board.flash(patient)).pipe(on(flasher.driver))
        )
        yield* settle
        for (let millis = 100; millis <= 1_700; millis += 100) {
          yield* TestClock.adjust("100 millis")
          yield* settle
          const bytes = seen.at(-1)?.bytes ?? 0
          const written = millis / 2_000 * size
          assert.isAtMost(
            Math.abs(bytes - written),
            1.5 * mebibyte,
            `${millis} ms: ${bytes} where ${written} were written`
          )
        }
        yield* TestClock.adjust("500 millis")
        yield* Fiber.join(flashing)
        assert.strictEqual(seen.at(-1)?.bytes, size)
      }))
  }

  it.effect("makes a dumping device wait for a sink that does not read", () =>
    Effect.gen(function*() {
      let given = 0
      let taken = 0
      const driver = Driver.fromInterface(Flasher.contract, {
        flash: () => Effect.void,
        dump: (write) => write(Stream.tap(pieces(64 * kibibyte), ({ length }) => Effect.sync(() => given += length)))
      })
      const sink = Resource.sink(
        Sink.forEach(({ length }: Uint8Array) =>
          Effect.tap(Effect.sleep("20 millis"), () => Effect.sync(() => taken += length))
        ),
        { size }
      )
      const dumping = yield* Effect.fork(
        Effect.flatMap(Board, (board) => board.dump(Resource.withIdleTimeout(sink, "200 millis"))).pipe(on(driver))
      )
      for (let step = 0; step < 20; step++) {
        yield* settle
        assert.isAtMost(given - taken, 1.5 * mebibyte)
        yield* TestClock.adjust("100 millis")
      }
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(dumping)
      assert.deepStrictEqual([given, taken], [size, size])
    }))

  it.effect("is idle when the device reads nothing", () =>
    Effect.gen(function*() {
      const driver = Driver.fromInterface(Flasher.contract, {
        flash: (image) => Effect.zipRight(Stream.runDrain(Stream.take(image, 4)), Effect.never),
        dump: () => Effect.void
      })
      const image = Resource.withIdleTimeout(Resource.source(pieces(64 * kibibyte), { size }), "1 second")
      const flashing = yield* Effect.fork(
        Effect.flip(Effect.flatMap(Board, (board) => board.flash(image))).pipe(on(driver))
      )
      yield* settle
      yield* TestClock.adjust("1100 millis")
      const error = yield* Fiber.join(flashing)
      if (error._tag !== "TransferStalled") return assert.fail(error.message)
      assert.isAtMost(error.bytes, 1.5 * mebibyte)
    }))

  it.effect("makes a driver wait for a caller that does not read the items of a call", () =>
    Effect.gen(function*() {
      let made = 0
      const driver = Driver.make({
        client: "items",
        methods: {
          all: Driver.streamingCall(() =>
            Stream.map(Stream.range(1, 30, 1), () => {
              made++
              return "x".repeat(mebibyte)
            })
          )
        }
      })
      const gate = yield* Deferred.make<void>()
      const calling = yield* Effect.flatMap(
        ExporterConnection.driver("items"),
        (client) => Stream.runForEach(client.streamingCall("all"), () => Deferred.await(gate))
      ).pipe(Effect.provide(ExporterTest.layer({ items: driver })), Effect.fork)
      yield* settle
      assert.isAtMost(made, 5)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(calling)
      assert.strictEqual(made, 30)
    }))
})

describe("a pipe in memory", () => {
  const message = (bytes: number) => new Uint8Array(bytes)
  const ended = Exit.fail("over" as const)

  it.effect("holds 1 MiB, counts taken messages until the next take, and keeps the order", () =>
    Effect.gen(function*() {
      const pipe = new MemoryPipe<"over">()
      assert.isTrue(yield* pipe.send(message(mebibyte)))
      const waiting = yield* Effect.fork(pipe.send(message(1)))
      const last = yield* Effect.fork(pipe.send(message(2)))
      yield* settle
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* pipe.take).map(({ length }) => length), [mebibyte])
      yield* settle
      assert.isNull(waiting.unsafePoll())
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* pipe.take).map(({ length }) => length), [1, 2])
      assert.isTrue(yield* Fiber.join(waiting))
      assert.isTrue(yield* Fiber.join(last))
    }))

  it.effect("returns messages in steps of 256 KiB", () =>
    Effect.gen(function*() {
      const pipe = new MemoryPipe<"over">()
      yield* pipe.sendAll(
        Chunk.make(message(200 * kibibyte), message(200 * kibibyte), message(1), message(300 * kibibyte))
      )
      const sizes = Effect.map(pipe.take, (messages) => Chunk.toReadonlyArray(messages).map(({ length }) => length))
      assert.deepStrictEqual(yield* sizes, [200 * kibibyte, 200 * kibibyte])
      assert.deepStrictEqual(yield* sizes, [1, 300 * kibibyte])
    }))

  it.effect("holds 32 empty messages", () =>
    Effect.gen(function*() {
      const pipe = new MemoryPipe<"over">()
      yield* Effect.replicateEffect(pipe.send(message(0)), 32)
      const waiting = yield* Effect.fork(pipe.sendAll(Chunk.make(message(1), message(2))))
      yield* settle
      assert.isNull(waiting.unsafePoll())
      assert.strictEqual((yield* pipe.take).length, 32)
      assert.strictEqual((yield* pipe.take).length, 1)
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* pipe.take).map(({ length }) => length), [2])
    }))

  it.effect("delivers messages that wait for room before its end, and accepts no more", () =>
    Effect.gen(function*() {
      const pipe = new MemoryPipe<"over">()
      yield* pipe.send(message(mebibyte))
      const waiting = yield* Effect.fork(pipe.send(message(1)))
      yield* settle
      yield* pipe.end(ended)
      yield* pipe.end(Exit.void)
      assert.isTrue(yield* Fiber.join(waiting))
      assert.isFalse(yield* pipe.send(message(2)))
      assert.strictEqual((yield* pipe.take).length, 1)
      assert.strictEqual((yield* pipe.take).length, 1)
      assert.deepStrictEqual(yield* Effect.flip(pipe.take), Option.some("over" as const))
    }))

  it.effect("refuses messages that wait for room when its reader leaves, and keeps accepted ones", () =>
    Effect.gen(function*() {
      const pipe = new MemoryPipe<"over">()
      yield* pipe.send(message(mebibyte))
      const waiting = yield* Effect.fork(pipe.send(message(1)))
      yield* settle
      yield* pipe.leave(ended)
      assert.isFalse(yield* Fiber.join(waiting))
      assert.strictEqual((yield* pipe.take).length, 1)
      assert.deepStrictEqual(yield* Effect.flip(pipe.take), Option.some("over" as const))
    }))

  it.effect("forgets an interrupted sender and an interrupted reader", () =>
    Effect.gen(function*() {
      const pipe = new MemoryPipe<"over">()
      const reading = yield* Effect.fork(pipe.take)
      yield* settle
      yield* Fiber.interrupt(reading)
      yield* pipe.send(message(mebibyte))
      const sending = yield* Effect.fork(pipe.send(message(1)))
      yield* settle
      yield* Fiber.interrupt(sending)
      assert.strictEqual((yield* pipe.take).length, 1)
      yield* pipe.end(Exit.void)
      assert.deepStrictEqual(yield* Effect.flip(pipe.take), Option.none())
    }))
})
