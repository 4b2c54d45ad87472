import * as ContentEncoding from "@effect-jumpstarter/core/ContentEncoding"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createRequire } from "node:module"
import { nodeZstd } from "../../src/resource/nodeZstd.ts"

const encodings = ContentEncoding.ContentEncoding.literals

const base64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"))

const text = "power on, power off\n"

// printf 'power on, power off\n', and empty input, through gzip 1.12 (-9n), xz 5.4.1, bzip2 1.0.8 and zstd 1.5.4 (-19).
// Python 3.11's gzip, lzma and bz2 modules make the same bytes.
const fixtures: Record<ContentEncoding.ContentEncoding, { readonly text: Uint8Array; readonly empty: Uint8Array }> = {
  gzip: {
    text: base64("H4sIAAAAAAACAyvIL08tUsjP01EogLDS0rgAgnM/UxQAAAA="),
    empty: base64("H4sIAAAAAAAAAwMAAAAAAAAAAAA=")
  },
  xz: {
    text: base64(
      "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQATcG93ZXIgb24sIHBvd2VyIG9mZgoAPVqDzSuj4fAAASwU+AptAx+2830BAAAAAARZWg=="
    ),
    empty: base64("/Td6WFoAAATm1rRGAAAAABzfRCEftvN9AQAAAAAEWVo=")
  },
  bz2: {
    text: base64("QlpoOTFBWSZTWVhRMjkAAAfRgAAQQAQDAdCAIAAxADASoPQyJiuCZhDrgjRdyRThQkFhRMjk"),
    empty: base64("QlpoORdyRThQkAAAAAA=")
  },
  zstd: {
    text: base64("KLUv/SQUoQAAcG93ZXIgb24sIHBvd2VyIG9mZgqJwtmz"),
    empty: base64("KLUv/SQAAQAAmenYUQ==")
  }
}

// The position of a checksum of the content in the first fixture.
const checksumAt: Record<ContentEncoding.ContentEncoding, ReadonlyArray<number>> = {
  gzip: [27, 28, 29, 30],
  xz: [48, 49, 50, 51, 52, 53, 54, 55],
  bz2: [10, 11, 12, 13],
  zstd: [29, 30, 31, 32]
}

// From Python 3.11: zlib.compress, lzma.compress(check=CHECK_SHA256), and lzma.compress(format=FORMAT_ALONE).
const zlibText = base64("eJwryC9PLVLIz9NRKICw0tK4AE4OBwk=")
const xzSha256Text = base64(
  "/Td6WFoAAArh+wyhAgAhARYAAAB0L+WjAQATcG93ZXIgb24sIHBvd2VyIG9mZgoAHcXFqeThaRpx5AsP7CATUoRyNOruFyGLKvOVKlFi1aoAAUQUV+tJ"
    + "rhibS5oBAAAAAApZWg=="
)
const lzmaAloneText = base64("XQAAgAD//////////wA4G8tU404LoPm2ySe4HcGu8Wzyf//cIQAA")

// From zstd 1.5.4: --no-check, and a million zeros, which is one frame of run-length blocks.
const zstdTextWithoutCheck = base64("KLUv/SAUoQAAcG93ZXIgb24sIHBvd2VyIG9mZgo=")
const zstdZeros = base64("KLUv/QRYVAAAEAAAAQD7/znAAgIAEAACABAAAgAQAAIAEAACABAAAgAQAAMSCgDMrso5")
const zstdSkippableFrame = new Uint8Array([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
// Magic, no flags, a window of 2^28 bytes, an empty last block.
const zstdHugeWindow = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x90, 0x01, 0x00, 0x00])

// Magic, a single segment of 2^28 bytes, an empty last block.
const zstdHugeSegment = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x00, 0x00, 0x00, 0x10, 0x01, 0x00, 0x00])

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

const collect = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => concat(...chunks))

const decoded = (encoding: ContentEncoding.ContentEncoding, ...chunks: ReadonlyArray<Uint8Array>) =>
  collect(ContentEncoding.decode(encoding)(Stream.fromIterable(chunks)))

const decodedText = (encoding: ContentEncoding.ContentEncoding, ...chunks: ReadonlyArray<Uint8Array>) =>
  Effect.map(decoded(encoding, ...chunks), (bytes) => new TextDecoder().decode(bytes))

const decodeError = (encoding: ContentEncoding.ContentEncoding, ...chunks: ReadonlyArray<Uint8Array>) =>
  Effect.flip(decoded(encoding, ...chunks))

const singleBytes = (bytes: Uint8Array) => Array.from(bytes, (byte) => Uint8Array.of(byte))

// Incompressible bytes, the same in every run.
const noise = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  let state = 0x9e3779b9
  for (let index = 0; index < size; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[index] = state
  }
  return bytes
}

const pieces = (bytes: Uint8Array, size: number): Array<Uint8Array> =>
  Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, index) => bytes.subarray(index * size, (index + 1) * size)
  )

const MiB = 1024 * 1024

class SourceFailed extends Data.TaggedError("SourceFailed") {}

// Every codec thread shows as one port of its owner.
const threads = Effect.sync(() => process.getActiveResourcesInfo().filter((name) => name === "MessagePort").length)

describe("ContentEncoding", () => {
  for (const encoding of encodings) {
    describe(encoding, () => {
      const fixture = fixtures[encoding]

      it.effect("decodes what the reference tools made", () =>
        Effect.gen(function*() {
          assert.strictEqual(yield* decodedText(encoding, fixture.text), text)
          assert.strictEqual(yield* decodedText(encoding, ...singleBytes(fixture.text)), text)
          assert.strictEqual(yield* decodedText(encoding, fixture.empty), "")
        }))

      it.effect.prop(
        "round-trips for any chunks on both sides",
        [
          FastCheck.array(FastCheck.uint8Array({ maxLength: 600 }), { maxLength: 12 }),
          FastCheck.integer({ min: 1, max: 400 })
        ],
        ([chunks, size]) =>
          Effect.gen(function*() {
            const encoded = yield* collect(ContentEncoding.encode(encoding)(Stream.fromIterable(chunks)))
            assert.deepStrictEqual(yield* decoded(encoding, ...pieces(encoded, size)), concat(...chunks))
          }),
        { fastCheck: { numRuns: 8 }, timeout: 60_000 }
      )

      it.effect("round-trips several blocks, and runs of one byte", () =>
        Effect.gen(function*() {
          const bytes = concat(noise(1_000_000), new Uint8Array(1_000_000), noise(300_001))
          const result = yield* Stream.make(bytes.subarray(0, 10), bytes.subarray(10)).pipe(
            ContentEncoding.encode(encoding),
            ContentEncoding.decode(encoding),
            collect
          )
          assert.isTrue(Buffer.from(bytes).equals(result))
        }), 60_000)

      it.effect("encodes empty input as a non-empty output", () =>
        Effect.gen(function*() {
          const encoded = yield* collect(ContentEncoding.encode(encoding)(Stream.empty))
          assert.isAbove(encoded.length, 0)
          assert.strictEqual(yield* decodedText(encoding, encoded), "")
        }))

      it.effect("decodes concatenated data completely", () =>
        Effect.gen(function*() {
          const twice = concat(fixture.text, fixture.empty, fixture.text)
          assert.strictEqual(yield* decodedText(encoding, twice), text + text)
          assert.strictEqual(yield* decodedText(encoding, ...singleBytes(twice)), text + text)
          assert.strictEqual(yield* decodedText(encoding, fixture.text, fixture.text), text + text)
        }))

      it.effect("fails at every cut", () =>
        Effect.gen(function*() {
          const lengths = Array.from(fixture.text.keys())
          const results = yield* Effect.forEach(
            lengths,
            (length) => Effect.either(decoded(encoding, fixture.text.subarray(0, length))),
            { concurrency: 4 }
          )
          assert.deepStrictEqual(
            results.map(Either.match({ onLeft: (error) => error.reason, onRight: () => "decoded" })),
            lengths.map(() => "Truncated" as const)
          )
        }), 60_000)

      it.effect("fails when concatenated data is cut", () =>
        Effect.gen(function*() {
          const twice = concat(fixture.text, fixture.text)
          for (const length of [fixture.text.length + 2, twice.length - 1]) {
            const error = yield* decodeError(encoding, twice.subarray(0, length))
            assert.strictEqual(error.reason, "Truncated")
          }
        }))

      it.effect("fails on data of another encoding", () =>
        Effect.gen(function*() {
          const error = yield* decodeError(encoding, new TextEncoder().encode("this is not compressed data"))
          assert.strictEqual(error.reason, "Corrupt")
          assert.strictEqual(error.encoding, encoding)
          assert.include(error.message, `${encoding} data is corrupt: `)
        }))

      it.effect("never decodes damaged data to other content", () =>
        Effect.gen(function*() {
          const results = yield* Effect.forEach(
            Array.from(fixture.text.keys()),
            (index) => {
              const damaged = Uint8Array.from(fixture.text)
              damaged[index] = damaged[index]! ^ 0x10
              return Effect.either(decodedText(encoding, damaged))
            },
            { concurrency: 4 }
          )
          // Some bits carry no meaning, such as gzip's file time.
          const texts = results.filter(Either.isRight).map((result) => result.right)
          assert.deepStrictEqual(texts, texts.map(() => text))
          assert.isAtMost(texts.length, 10)
          for (const index of checksumAt[encoding]) {
            assert.strictEqual(results.map(Either.flip).map(Either.getOrNull)[index]?.reason, "Corrupt")
          }
        }), 60_000)

      it.effect("fails on trailing garbage", () =>
        Effect.gen(function*() {
          const garbage = new TextEncoder().encode("something else that follows")
          assert.strictEqual((yield* decodeError(encoding, concat(fixture.text, garbage))).reason, "Corrupt")
          assert.strictEqual((yield* decodeError(encoding, fixture.text, garbage)).reason, "Corrupt")
          // Too short to tell garbage from the start of more data in some formats.
          const byte = yield* decodeError(encoding, fixture.text, Uint8Array.of(0x51))
          assert.include(["Corrupt", "Truncated"], byte.reason)
        }))

      it.effect("fails on empty input", () =>
        Effect.gen(function*() {
          assert.strictEqual((yield* decodeError(encoding)).reason, "Truncated")
          assert.strictEqual((yield* decodeError(encoding, new Uint8Array(0))).reason, "Truncated")
        }))

      it.effect("fails with the source's error, after releasing the codec", () =>
        Effect.gen(function*() {
          const before = yield* threads
          const source = Stream.concat(Stream.make(fixture.text.subarray(0, 10)), Stream.fail(new SourceFailed()))
          assert.deepStrictEqual(
            yield* Effect.flip(collect(ContentEncoding.decode(encoding)(source))),
            new SourceFailed()
          )
          assert.deepStrictEqual(
            yield* Effect.flip(collect(ContentEncoding.encode(encoding)(source))),
            new SourceFailed()
          )
          assert.strictEqual(yield* threads, before)
        }))

      it.effect("releases the codec and the source on success, failure and interruption", () =>
        Effect.gen(function*() {
          const before = yield* threads
          for (const transform of [ContentEncoding.encode, ContentEncoding.decode]) {
            const released = yield* Ref.make(0)
            const pulled = yield* Deferred.make<void>()
            const release = Stream.ensuring(Ref.update(released, (count) => count + 1))
            const endless = Stream.concat(
              Stream.make(fixture.text.subarray(0, 12)),
              Stream.fromEffect(Effect.zipRight(Deferred.succeed(pulled, undefined), Effect.never))
            )
            const fiber = yield* Effect.fork(Stream.runDrain(transform(encoding)(release(endless))))
            yield* Deferred.await(pulled)
            assert.strictEqual(yield* Ref.get(released), 0)
            yield* Fiber.interrupt(fiber)
            assert.strictEqual(yield* Ref.get(released), 1)

            yield* Stream.runDrain(transform(encoding)(release(Stream.make(fixture.text))))
            assert.strictEqual(yield* Ref.get(released), 2)
          }
          const released = yield* Ref.make(false)
          yield* Effect.flip(Stream.runDrain(
            ContentEncoding.decode(encoding)(
              Stream.ensuring(Stream.make(noise(100)), Ref.set(released, true))
            )
          ))
          assert.isTrue(yield* Ref.get(released))
          assert.strictEqual(yield* threads, before)
        }))

      it.effect("pulls from the source only as much as the consumer needs", () =>
        Effect.gen(function*() {
          const pulled = yield* Ref.make(0)
          const chunk = noise(64 * 1024)
          const endless = Stream.repeatEffect(Effect.as(Ref.update(pulled, (count) => count + chunk.length), chunk))
          yield* Stream.runDrain(Stream.take(ContentEncoding.encode(encoding)(endless), 1))
          // A bz2 block, or what the encoder looks ahead, and what a thread may run ahead.
          assert.isBelow(yield* Ref.get(pulled), 4 * MiB)
        }))

      it.effect("streams 64 MiB in small pieces", () =>
        Effect.gen(function*() {
          const zeros = new Uint8Array(MiB)
          const encoded = yield* Stream.range(1, 64).pipe(
            Stream.map(() => zeros),
            ContentEncoding.encode(encoding),
            Stream.runCollect
          )
          const seen = yield* ContentEncoding.decode(encoding)(Stream.fromChunk(encoded)).pipe(
            Stream.runFold({ total: 0, largest: 0 }, ({ largest, total }, piece) => ({
              total: total + piece.length,
              largest: Math.max(largest, piece.length)
            }))
          )
          assert.strictEqual(seen.total, 64 * MiB)
          assert.isAtMost(seen.largest, 256 * 1024)
          assert.isBelow(Chunk.reduce(encoded, 0, (size, piece) => size + piece.length), MiB)
        }), 120_000)
    })
  }

  it.effect("also encodes and decodes data-first", () =>
    Effect.gen(function*() {
      const encoded = ContentEncoding.encode(Stream.make(new TextEncoder().encode(text)), "gzip")
      const decoded = ContentEncoding.decode(encoded, "gzip").pipe(Stream.decodeText(), Stream.mkString)
      assert.strictEqual(yield* decoded, text)
    }))

  it.effect("decodes gzip with a zlib header", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* decodedText("gzip", zlibText), text)
      assert.strictEqual(yield* decodedText("gzip", ...singleBytes(zlibText)), text)
      assert.strictEqual((yield* decodeError("gzip", zlibText.subarray(0, -1))).reason, "Truncated")
      assert.strictEqual((yield* decodeError("gzip", concat(zlibText, zlibText))).reason, "Corrupt")
    }))

  it.effect("skips only zero padding after gzip and xz data", () =>
    Effect.gen(function*() {
      for (const encoding of ["gzip", "xz"] as const) {
        const data = fixtures[encoding].text
        assert.strictEqual(yield* decodedText(encoding, concat(data, new Uint8Array(8))), text)
        assert.strictEqual(yield* decodedText(encoding, data, new Uint8Array(8), new Uint8Array(100_000)), text)
        const error = yield* decodeError(encoding, data, new Uint8Array(8), new TextEncoder().encode("a lot more data"))
        assert.strictEqual(error.reason, "Corrupt")
      }
    }))

  it.effect("decodes every kind of xz check, and only the container format", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* decodedText("xz", xzSha256Text), text)
      assert.strictEqual((yield* decodeError("xz", lzmaAloneText)).reason, "Corrupt")
    }))

  it.effect("decodes every kind of zstd frame", () =>
    Effect.gen(function*() {
      const data = concat(zstdSkippableFrame, zstdTextWithoutCheck, zstdSkippableFrame, fixtures.zstd.text)
      assert.strictEqual(yield* decodedText("zstd", data), text + text)
      assert.strictEqual(yield* decodedText("zstd", ...singleBytes(data)), text + text)
      assert.strictEqual((yield* decodeError("zstd", data, zstdSkippableFrame.subarray(0, -1))).reason, "Truncated")
      assert.strictEqual(
        (yield* decodeError("zstd", zstdTextWithoutCheck.subarray(0, -1))).reason,
        "Truncated"
      )
      assert.isTrue(Buffer.alloc(1_000_000).equals(yield* decoded("zstd", zstdZeros)))
      assert.strictEqual((yield* decodeError("zstd", zstdHugeWindow)).reason, "Unsupported")
      assert.strictEqual((yield* decodeError("zstd", zstdHugeSegment)).reason, "Unsupported")
    }))

  it.effect("needs a thread for zstd only where Node has no codec for it", () =>
    Effect.gen(function*() {
      const before = yield* threads
      for (const transform of [ContentEncoding.encode, ContentEncoding.decode]) {
        const pulled = yield* Deferred.make<void>()
        const source = Stream.concat(
          Stream.make(fixtures.zstd.text.subarray(0, 12)),
          Stream.fromEffect(Effect.zipRight(Deferred.succeed(pulled, undefined), Effect.never))
        )
        const fiber = yield* Effect.fork(Stream.runDrain(transform("zstd")(source)))
        yield* Deferred.await(pulled)
        assert.strictEqual(yield* threads, nodeZstd === undefined ? before + 1 : before)
        yield* Fiber.interrupt(fiber)
      }
    }))

  it.effect("runs many codecs at once", () =>
    Effect.gen(function*() {
      const results = yield* Effect.forEach(
        [...encodings, ...encodings, ...encodings],
        (encoding) => decodedText(encoding, fixtures[encoding].text),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(results, Array.from(results, () => text))
    }))

  it.effect("loads the libraries in their own threads only", () =>
    Effect.gen(function*() {
      const listeners = process.listenerCount("unhandledRejection") + process.listenerCount("uncaughtException")
      for (const encoding of encodings) {
        yield* Stream.make(Uint8Array.of(1)).pipe(
          ContentEncoding.encode(encoding),
          ContentEncoding.decode(encoding),
          Stream.runDrain
        )
      }
      const loaded = Object.keys(createRequire(import.meta.url).cache)
      assert.deepStrictEqual(loaded.filter((path) => /libbzip2|seek-bzip|zstd-codec|liblzma/.test(path)), [])
      assert.strictEqual(
        process.listenerCount("unhandledRejection") + process.listenerCount("uncaughtException"),
        listeners
      )
    }))

  it("has errors that can be recorded", () => {
    const error = new ContentEncoding.ContentEncodingError({
      encoding: "xz",
      reason: "Truncated",
      details: "unexpected end of input"
    })
    assert.strictEqual(error.message, "xz data ends too early: unexpected end of input")
    const json = Schema.encodeSync(ContentEncoding.ContentEncodingError)(error)
    assert.deepStrictEqual(Schema.decodeSync(ContentEncoding.ContentEncodingError)(json), error)
  })
})
