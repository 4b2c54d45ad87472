import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import * as ByteStream from "../../src/protocol/ByteStream.ts"
import { text, utf8 } from "../support/bytes.ts"

const mebibyte = 1024 * 1024

// Writes forever, and counts the bytes of the completed writes.
const writer = (stream: ByteStream.ByteStream<unknown>, bytes: Uint8Array) => {
  const written = { bytes: 0 }
  const writing = stream.write(bytes).pipe(
    Effect.zipRight(Effect.sync(() => {
      written.bytes += bytes.length
    })),
    Effect.forever,
    Effect.fork
  )
  return Effect.map(writing, (fiber) => ({ fiber, written }))
}

const settle = Effect.repeatN(Effect.yieldNow(), 2_000)

describe("ByteStream.transform", () => {
  it.effect("refuses writes after its end, and keeps earlier ones", () =>
    Effect.gen(function*() {
      const stream = yield* ByteStream.transform((input) => input)
      yield* stream.write(utf8("before"))
      yield* stream.end
      const error = yield* Effect.flip(stream.write(utf8("after")))
      assert.strictEqual(error._tag, "DriverFailure")
      assert.strictEqual(error.message, "the byte stream has ended, nothing more can be written")
      yield* stream.end
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText(stream.read)), "before")
      assert.strictEqual((yield* Effect.flip(stream.write(utf8("after")))).reason, error.reason)
    }))

  it.effect("keeps writes that wait for room when it ends", () =>
    Effect.gen(function*() {
      const stream = yield* ByteStream.transform((input) => input)
      yield* stream.write(new Uint8Array(mebibyte))
      const waiting = yield* Effect.fork(stream.write(utf8("last")))
      yield* settle
      assert.isNull(waiting.unsafePoll())
      yield* stream.end
      yield* Fiber.join(waiting)
      const sizes = yield* Stream.runCollect(Stream.map(stream.read, ({ length }) => length))
      assert.deepStrictEqual(Array.from(sizes), [mebibyte, 4])
    }))

  for (const size of [256 * 1024, 1024, 1]) {
    it.effect(`makes a writer wait while a mebibyte in pieces of ${size} bytes is unread`, () =>
      Effect.gen(function*() {
        const stream = yield* ByteStream.transform((input) => input)
        const { fiber, written } = yield* writer(stream, new Uint8Array(size))
        yield* settle
        const { bytes } = written
        assert.isAtMost(bytes, mebibyte)
        assert.isAtLeast(bytes, Math.min(mebibyte - size, 16 * size))
        yield* Stream.runDrain(Stream.take(stream.read, 8))
        yield* settle
        assert.isAbove(written.bytes, bytes)
        yield* Fiber.interrupt(fiber)
      }))
  }

  it.effect("does not keep a writer waiting when reading has stopped", () =>
    Effect.gen(function*() {
      const read = yield* Deferred.make<string>()
      const stream = yield* ByteStream.transform((input) =>
        Stream.tap(Stream.take(input, 1), (bytes) => Deferred.succeed(read, text(bytes)))
      )
      yield* stream.write(utf8("first"))
      const { fiber, written } = yield* writer(stream, new Uint8Array(mebibyte))
      yield* settle
      const { bytes } = written
      yield* Stream.runDrain(stream.read)
      assert.strictEqual(yield* Deferred.await(read), "first")
      yield* settle
      assert.isAbove(written.bytes, bytes)
      yield* Fiber.interrupt(fiber)
    }))
})
