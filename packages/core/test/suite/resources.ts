// Resources: uploads and downloads of client-side bytes, whole or cut short by either side (protocol.md 6).
import { describe } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as ExporterClient from "../../src/client/ExporterClient.ts"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import { StorageMux } from "../../src/drivers/index.ts"
import * as ContentEncoding from "../../src/resource/ContentEncoding.ts"
import * as Resource from "../../src/resource/Resource.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as bytes from "../support/bytes.ts"
import { image, pattern, patternChunks, sha256 } from "../support/probePattern.ts"
import { awaitEvent, call, described, driver, fails, methodsOf, siteOf, test, until, use } from "./harness.ts"
import type * as peer from "./peer.ts"

const mebibyte = 1024 * 1024

class SourceError extends Schema.TaggedError<SourceError>("SourceError")("SourceError", { chunk: Schema.Number }) {}
class SinkError extends Schema.TaggedError<SinkError>("SinkError")("SinkError", {}) {}

const hashing = () =>
  Sink.suspend(() => {
    const hash = createHash("sha256")
    let size = 0
    return Sink.map(
      Sink.forEach((chunk: Uint8Array) =>
        Effect.sync(() => {
          hash.update(chunk)
          size += chunk.length
        })
      ),
      () => ({ size, sha256: hash.digest("hex") })
    )
  })

const arrived = (size: number) => until(`${size} bytes arrived`, call.bytes_count("consume"), (count) => count === size)

const decodeJson = Schema.decodeUnknown(Schema.parseJson(
  Schema.Struct({ kind: Schema.String, uuid: Schema.String, x_jmp_content_encoding: Schema.Null })
))

const patternSource = (size: number) => Resource.source(Stream.fromIterable(patternChunks(size)), { size })

const consume = <E, R = never>(source: Resource.Source<void, E, R> | Resource.ResourceHandle<void, E>) =>
  use((probe) => probe.consume(source))

// The method as a driver sees it, where a handle is an ordinary argument.
const takingJson = DriverMethod.call({ args: [DriverMethod.Json], result: DriverMethod.Json })

/** Opens a resource for the probe, for tests that check the outcome of its transfer. */
const open = <A, E, R>(resource: Resource.Resource<A, E, R>) =>
  Effect.flatMap(driver("probe"), (client) => client.resource(resource))

export const resources = (peer: peer.Peer): void => {
  const check = test(peer)
  const { quirks, thorough } = peer
  const transferMegabytes = thorough ? 64 : 16
  const size = transferMegabytes * mebibyte
  // The test of resource/ContentEncoding passes 64 MiB through each codec.
  const imageMegabytes = thorough ? 16 : 4
  const encodings = thorough ? ContentEncoding.ContentEncoding.literals : ["gzip"] as const

  describe("uploads", () => {
    check(
      `sends ${transferMegabytes} MiB`,
      Effect.gen(function*() {
        const received = yield* consume(patternSource(size))
        deepStrictEqual(received, { size, sha256: sha256(patternChunks(size)) })
        yield* awaitEvent(`consume:eof:${size}`)
        yield* awaitEvent("consume:closed")
      }),
      30_000
    )

    for (const encoding of encodings) {
      check(
        `sends ${imageMegabytes} MiB encoded as ${encoding}`,
        Effect.gen(function*() {
          const chunks = yield* Stream.runCollect(
            ContentEncoding.encode(encoding)(Stream.fromIterable(image(imageMegabytes)))
          )
          const uploading = consume(Resource.source(Stream.fromChunk(chunks), { contentEncoding: encoding }))
          if (encoding === "bz2" && quirks.concatenatedBz2 === "refused") {
            return yield* fails(uploading, siteOf("consume", "call"), {
              tag: "DriverError",
              code: "UNKNOWN",
              origin: "driver",
              details: "End of stream already reached"
            })
          }
          deepStrictEqual(yield* uploading, {
            size: imageMegabytes * mebibyte,
            sha256: sha256(image(imageMegabytes))
          })
        }),
        30_000
      )
    }

    for (const encoding of encodings) {
      check(
        `a driver's read fails when its upload lacks the end of its ${encoding} data`,
        Effect.gen(function*() {
          const chunks = yield* Stream.runCollect(ContentEncoding.encode(encoding)(Stream.make(pattern(0, 65_536))))
          const cut = bytes.concat(chunks).subarray(0, -10)
          const uploading = consume(Resource.source(Stream.make(cut), { contentEncoding: encoding }))
          if (quirks.cutOffEncoding === "looks complete") {
            return assertTrue((yield* uploading).size <= 65_536)
          }
          yield* fails(uploading, siteOf("consume", "call"), {
            tag: "InvalidArgument",
            code: "INVALID_ARGUMENT",
            origin: "driver",
            details: new RegExp(`^${encoding} data ends too early: `)
          })
        })
      )
    }

    check(
      "sends nothing",
      Effect.gen(function*() {
        const received = yield* consume(Resource.source(Stream.empty, { size: 0 }))
        deepStrictEqual(received, { size: 0, sha256: sha256([]) })
      })
    )

    check(
      "waits for a driver that reads slowly",
      Effect.gen(function*() {
        const received = yield* use((probe) => probe.consume_slow(patternSource(2 * mebibyte), 0.005))
        deepStrictEqual(received, { size: 2 * mebibyte, sha256: sha256(patternChunks(2 * mebibyte)) })
      })
    )

    check(
      "a driver that stops reading early succeeds, and the rest is not sent",
      Effect.gen(function*() {
        let sent = 0
        const source = Resource.source(
          Stream.tap(Stream.fromIterable(patternChunks(64 * mebibyte)), (chunk) =>
            Effect.sync(() => {
              sent += chunk.length
            }))
        )
        const received = yield* use((probe) => probe.consume_partial(source, 100_000))
        // The driver reads pieces of up to 64 KiB.
        assertTrue(received.size >= 100_000 && received.size <= 165_536, `the driver took ${received.size} bytes`)
        strictEqual(received.sha256, sha256([pattern(0, received.size)]))
        assertTrue(sent < 32 * mebibyte, `${sent} bytes were produced for a driver that took ${received.size}`)
      })
    )

    check(
      "a driver that fails in the middle fails the call",
      Effect.gen(function*() {
        const failing = use((probe) => probe.consume_fail(patternSource(64 * mebibyte), 100_000))
        yield* fails(failing, siteOf("consume_fail", "call"), {
          tag: "DriverError",
          code: "UNKNOWN",
          origin: "driver",
          details: /^consumer failed after \d{6} bytes$/
        })
        yield* awaitEvent("consume_fail:closed")
      })
    )

    check(
      "a driver that ignores its resource succeeds",
      Effect.gen(function*() {
        yield* use((probe) => probe.ignore(patternSource(64 * mebibyte)))
        yield* awaitEvent("ignore")
      })
    )

    check(
      "a source that fails fails the call with its error, and cancels it",
      Effect.gen(function*() {
        const source = Stream.fromIterable(patternChunks(3 * 65_536)).pipe(
          Stream.concat(Stream.drain(Stream.fromEffect(arrived(3 * 65_536)))),
          Stream.concat(Stream.fail(new SourceError({ chunk: 3 })))
        )
        const error = yield* Effect.flip(consume(Resource.source(source, { size: mebibyte })))
        deepStrictEqual(error, new SourceError({ chunk: 3 }))
        yield* awaitEvent("consume:closed")
        const events = JSON.stringify(yield* call.events())
        // A driver that took half an image for the whole would flash it.
        if (quirks.cutOffUpload === "looks complete") return
        assertInclude(events, "consume:cancelled")
        strictEqual(events.includes("consume:eof"), false, events)
      })
    )

    for (const declared of [3 * 65_536 + 1, 3 * 65_536 - 1]) {
      check(
        `a source without the ${declared} bytes that it declares fails the call, and cancels it`,
        Effect.gen(function*() {
          const source = Stream.fromIterable(patternChunks(2 * 65_536)).pipe(
            Stream.concat(Stream.drain(Stream.fromEffect(arrived(2 * 65_536)))),
            Stream.concat(Stream.make(new Uint8Array(65_536)))
          )
          const error = yield* Effect.flip(consume(Resource.source(source, { size: declared })))
          const mismatch = new Resource.SizeMismatch({ of: "source", expected: declared, actual: 3 * 65_536 })
          deepStrictEqual(error, mismatch)
          yield* awaitEvent("consume:closed")
          if (quirks.cutOffUpload === "looks complete") return
          strictEqual(JSON.stringify(yield* call.events()).includes("consume:eof"), false)
        })
      )
    }

    check(
      "a source that stalls longer than its idle timeout fails the call, and cancels it",
      Effect.gen(function*() {
        const half = Stream.concat(Stream.fromIterable(patternChunks(2 * 65_536)), Stream.never)
        const error = yield* Effect.flip(consume(Resource.withIdleTimeout(Resource.source(half), "500 millis")))
        deepStrictEqual([error._tag, "bytes" in error && error.bytes], ["TransferStalled", 2 * 65_536])
        yield* awaitEvent("consume:closed")
      })
    )

    check(
      "closing a resource under the call that uses it fails the call, and cancels it",
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const half = Stream.concat(Stream.fromIterable(patternChunks(2 * 65_536)), Stream.never)
        const handle = yield* Scope.extend(open(Resource.source(half)), scope)
        const calling = yield* Effect.fork(consume(handle))
        yield* arrived(2 * 65_536)
        yield* Scope.close(scope, Exit.void)
        // If the call ended with an interruption here, it would interrupt the program, which nobody interrupted.
        const site = siteOf("resource", "resource")
        const expected = {
          tag: "UnexpectedResult",
          code: "CANCELLED",
          origin: "client",
          details: "the resource was closed before its transfer was complete"
        } as const
        yield* fails(Fiber.join(calling), site, expected)
        yield* fails(handle.result, site, expected)
        yield* awaitEvent("consume:closed")
      })
    )

    check(
      "a driver's read fails when its upload is cut off",
      Effect.gen(function*() {
        const exporter = ExporterClient.make(yield* GrpcChannel.GrpcChannel)
        const { uuid } = yield* driver("probe")
        const scope = yield* Scope.make()
        // The bare stream: the client's own handle would cancel the call.
        const stream = yield* Scope.extend(exporter.resourceStream(uuid, null), scope)
        const handle = yield* decodeJson(stream.metadata.entries.get("resource"))
        const consume = yield* described("consume", takingJson)
        const calling = yield* Effect.fork(consume(handle))
        yield* stream.write(pattern(0, 65_536))
        yield* arrived(65_536)
        yield* Scope.close(scope, Exit.void)
        if (quirks.cutOffUpload === "looks complete") {
          deepStrictEqual(yield* Fiber.join(calling), { size: 65_536, sha256: sha256([pattern(0, 65_536)]) })
        } else {
          yield* fails(Fiber.join(calling), siteOf("consume", "call"), {
            tag: "DriverError",
            code: "UNAVAILABLE",
            origin: "driver",
            details: /^the client's resource broke off/
          })
        }
      })
    )

    check(
      "reports its progress",
      Effect.gen(function*() {
        const handle = yield* open(patternSource(8 * mebibyte))
        const watching = yield* Effect.fork(Stream.runCollect(handle.progress({ interval: "2 millis" })))
        yield* consume(handle)
        const progress = Chunk.toReadonlyArray(yield* Fiber.join(watching))
        deepStrictEqual(progress.at(-1), { bytes: 8 * mebibyte, total: Option.some(8 * mebibyte), done: true })
        deepStrictEqual(progress.map(({ bytes }) => bytes), progress.map(({ bytes }) => bytes).sort((a, b) => a - b))
        strictEqual(progress.filter(({ done }) => done).length, 1)
        strictEqual(yield* handle.result, undefined)
      })
    )

    check(
      "a handle is used up after one call",
      Effect.gen(function*() {
        const handle = yield* open(patternSource(1000))
        deepStrictEqual(yield* consume(handle), { size: 1000, sha256: sha256([pattern(0, 1000)]) })
        yield* fails(consume(handle), siteOf("consume", "call"), {
          tag: "DriverError",
          code: "UNKNOWN",
          origin: "driver",
          details: quirks.usedHandle
        })
      })
    )

    check(
      "another driver cannot use a handle",
      Effect.gen(function*() {
        const mux = yield* methodsOf("mux", StorageMux.contract)
        yield* fails(mux.write(yield* open(patternSource(1000))), siteOf("write", "call", "mux"), {
          tag: "DriverError",
          code: "UNKNOWN",
          origin: "driver",
          details: quirks.usedHandle
        })
      })
    )

    check(
      "an argument that is no handle is refused",
      Effect.gen(function*() {
        const consume = yield* described("consume", takingJson)
        for (const handle of [{ kind: "nonsense" }, "handle", null]) {
          yield* fails(consume(handle), siteOf("consume", "call"), {
            tag: "InvalidArgument",
            code: "INVALID_ARGUMENT",
            origin: "driver"
          })
        }
      })
    )
  })

  describe("downloads", () => {
    check(
      `receives ${transferMegabytes} MiB`,
      Effect.gen(function*() {
        const handle = yield* open(Resource.sink(hashing()))
        const sent = yield* use((probe) => probe.produce(handle, size))
        deepStrictEqual(yield* handle.result, { size, sha256: sent })
        strictEqual(sent, sha256(patternChunks(size)))
      }),
      30_000
    )

    check(
      "fails a call whose driver does not write the expected number of bytes",
      Effect.gen(function*() {
        const produce = (expected: number) =>
          use((probe) => probe.produce(Resource.sink(hashing(), { size: expected }), mebibyte))
        yield* produce(mebibyte)
        const short = yield* Effect.flip(produce(mebibyte + 1))
        deepStrictEqual(short, new Resource.SizeMismatch({ of: "driver", expected: mebibyte + 1, actual: mebibyte }))
        const long = yield* Effect.flip(produce(1000))
        deepStrictEqual([long._tag, "expected" in long && long.expected], ["SizeMismatch", 1000])
      })
    )

    check(
      "receives everything, whatever the size of the chunks",
      Effect.gen(function*() {
        for (const [size, chunk] of [[0, 1], [10, 3], [3_000_000, 1_000_000]] as const) {
          const received = yield* Effect.scoped(Effect.gen(function*() {
            const handle = yield* open(Resource.sink(Sink.collectAll<Uint8Array>()))
            yield* use((probe) => probe.produce(handle, size, chunk))
            return yield* handle.result
          }))
          deepStrictEqual(bytes.concat(received), pattern(0, size))
        }
      })
    )

    for (const encoding of encodings) {
      check(
        `encodes what it receives as ${encoding}`,
        Effect.gen(function*() {
          const handle = yield* open(Resource.sink(Sink.collectAll<Uint8Array>(), { contentEncoding: encoding }))
          yield* use((probe) => probe.produce(handle, mebibyte / 4))
          const encoded = yield* handle.result
          assertTrue(Chunk.reduce(encoded, 0, (sum, { length }) => sum + length) < mebibyte / 8)
          const decoded = yield* Stream.runCollect(ContentEncoding.decode(encoding)(Stream.fromChunk(encoded)))
          strictEqual(sha256(decoded), sha256(patternChunks(mebibyte / 4)))
        })
      )
    }

    check(
      "a driver that fails in the middle fails the call",
      Effect.gen(function*() {
        const failing = use((probe) => probe.produce_fail(Resource.sink(hashing()), 100_000))
        yield* fails(failing, siteOf("produce_fail", "call"), {
          tag: "DriverError",
          code: "UNKNOWN",
          origin: "driver",
          details: "producer failed after 100000 bytes"
        })
      })
    )

    check(
      "a sink that fails fails the call with its error, and cancels it",
      Effect.gen(function*() {
        const sink = Resource.sink(Sink.forEach(() => new SinkError()))
        deepStrictEqual(yield* Effect.flip(use((probe) => probe.produce(sink, 64 * mebibyte))), new SinkError())
        yield* awaitEvent("produce:closed")
        assertInclude(JSON.stringify(yield* call.events()), "produce:cancelled")
      })
    )

    check(
      "a sink that ends early does not stop the driver",
      Effect.gen(function*() {
        const handle = yield* open(Resource.sink(Sink.head<Uint8Array>()))
        strictEqual(yield* use((probe) => probe.produce(handle, 8 * mebibyte)), sha256(patternChunks(8 * mebibyte)))
        const head = yield* handle.result
        deepStrictEqual(
          Option.map(head, (chunk) => Uint8Array.from(chunk.subarray(0, 256))),
          Option.some(pattern(0, 256))
        )
      })
    )

    check(
      "both directions of one resource",
      Effect.gen(function*() {
        // The driver sends back in upper case what the source sends. It must not wait although nobody reads that.
        const source = Resource.source(Stream.make(bytes.utf8("abc"), bytes.utf8("def")))
        strictEqual(yield* use((probe) => probe.transform(source)), 6)
      })
    )

    check(
      "closing the scope of an unused resource is quick",
      Effect.gen(function*() {
        const exit = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
          yield* open(Resource.source(Stream.never))
          yield* open(Resource.sink(hashing()))
        })))
        assertTrue(Exit.isSuccess(exit))
      }),
      2_000
    )
  })
}
