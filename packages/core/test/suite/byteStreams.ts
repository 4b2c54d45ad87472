// Byte streams: both directions, half-close, ends and failures told apart, and backpressure (protocol.md 5).
import { describe } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import { Network } from "../../src/drivers/index.ts"
import type { ByteStream } from "../../src/protocol/ByteStream.ts"
import type * as DriverError from "../../src/protocol/DriverError.ts"
import * as bytes from "../support/bytes.ts"
import { fixedBytes, pattern, patternChunks, sha256 } from "../support/probePattern.ts"
import {
  assertError,
  awaitEvent,
  awaitStill,
  call,
  described,
  driver,
  fails,
  methodsOf,
  siteOf,
  test,
  until
} from "./harness.ts"
import type * as peer from "./peer.ts"

type Bytes = ByteStream<DriverError.DriverCallError>

const readAll = (stream: Bytes) => Effect.map(Stream.runCollect(stream.read), Chunk.toReadonlyArray)

const text = (stream: Bytes) => Effect.map(readAll(stream), (chunks) => bytes.text(bytes.concat(chunks)))

const decodeReport = Schema.decode(
  Schema.parseJson(Schema.Struct({ size: Schema.Number, sha256: Schema.String }))
)

const mebibyte = 1024 * 1024

export const byteStreams = (peer: peer.Peer): void => {
  const check = test(peer)
  const { quirks } = peer

  describe("byte streams", () => {
    check(
      "echoes 16 MiB unchanged, and ends after the half-close",
      Effect.gen(function*() {
        const stream = yield* call.bytes_echo()
        const [, echoed] = yield* Effect.all([
          Effect.zipRight(
            Effect.forEach(patternChunks(16 * mebibyte), stream.write, { discard: true }),
            stream.end
          ),
          readAll(stream)
        ], { concurrency: 2 })
        strictEqual(sha256(echoed), sha256(patternChunks(16 * mebibyte)))
        yield* awaitEvent("bytes_echo:eof")
        strictEqual(yield* call.bytes_count("bytes_echo"), 16 * mebibyte)
      })
    )

    check(
      "carries a dialogue",
      Effect.gen(function*() {
        const stream = yield* Effect.flatMap(methodsOf("echo", Network.contract), (echo) => echo.connect())
        const pull = yield* Stream.toPull(stream.read)
        for (const line of ["login", "root", "uname -a"]) {
          yield* stream.write(bytes.utf8(line))
          strictEqual(bytes.text(bytes.concat(yield* pull)), line)
        }
      })
    )

    check(
      "is read without a Stream, piece by piece to its end",
      Effect.gen(function*() {
        const stream = yield* Effect.flatMap(driver("echo"), (echo) => echo.stream("connect"))
        for (const line of ["login", "root"]) {
          yield* stream.write(bytes.utf8(line))
          strictEqual(bytes.text(yield* stream.receive), line)
        }
        yield* stream.end
        deepStrictEqual(yield* Effect.flip(stream.receive), Option.none())
        deepStrictEqual(yield* Effect.flip(stream.receive), Option.none())
      })
    )

    check(
      "keeps each written chunk in one piece",
      Effect.gen(function*() {
        const stream = yield* call.bytes_echo()
        yield* Effect.forEach(["a", "", "bc", "def"], (chunk) => stream.write(bytes.utf8(chunk)))
        yield* stream.end
        deepStrictEqual((yield* readAll(stream)).map(bytes.text), ["a", "bc", "def"])
      })
    )

    check(
      "splits a write that is larger than a frame",
      Effect.gen(function*() {
        const stream = yield* call.sink()
        yield* stream.write(pattern(0, 6 * mebibyte))
        yield* stream.end
        deepStrictEqual(yield* Effect.flatMap(text(stream), decodeReport), {
          size: 6 * mebibyte,
          sha256: sha256(patternChunks(6 * mebibyte))
        })
      })
    )

    check(
      "reads a source to its end, and not past it",
      Effect.gen(function*() {
        const stream = yield* call.source_fixed()
        strictEqual(sha256(yield* readAll(stream)), sha256(patternChunks(fixedBytes)))
        deepStrictEqual(yield* readAll(stream), [])
      })
    )

    check(
      "continues reading where it stopped",
      Effect.gen(function*() {
        const stream = yield* call.source_fixed()
        const first = yield* Stream.runCollect(Stream.take(stream.read, 3))
        const rest = yield* readAll(stream)
        strictEqual(sha256([...first, ...rest]), sha256(patternChunks(fixedBytes)))
      })
    )

    check(
      "reads the response that comes after the half-close",
      Effect.gen(function*() {
        const stream = yield* call.sink()
        yield* stream.write(bytes.utf8("abc"))
        yield* stream.end
        deepStrictEqual(yield* Effect.flatMap(text(stream), decodeReport), {
          size: 3,
          sha256: sha256([bytes.utf8("abc")])
        })
        yield* stream.end
      })
    )

    check(
      "a device that ends its output at once reads as empty, and still receives",
      Effect.gen(function*() {
        yield* Effect.scoped(Effect.gen(function*() {
          const stream = yield* call.closing()
          deepStrictEqual(yield* readAll(stream), [])
          yield* stream.write(bytes.utf8("abc"))
          yield* until("abc arrived", call.bytes_count("closing"), (count) => count === 3)
        }))
        yield* awaitEvent("closing:closed")
      })
    )

    check(
      "a device that cannot be opened fails the opening",
      Effect.gen(function*() {
        yield* fails(Effect.scoped(call.fail_open()), siteOf("fail_open", "stream"), {
          tag: "DriverError",
          origin: "driver",
          ...quirks.failedOpen
        })
        yield* awaitEvent("fail_open")
      })
    )

    for (const [method, details] of [["fail_mid", "mid-stream failure"], ["broken_mid", "the device broke"]] as const) {
      check(
        `${method}: a device that fails does not look like one that ended`,
        Effect.gen(function*() {
          const stream = yield* call[method]()
          const seen: Array<string> = []
          const reading = Stream.runForEach(stream.read, (chunk) =>
            Effect.sync(() => {
              seen.push(bytes.text(chunk))
            }))
          const outcome = method === "fail_mid" ? quirks.failedStream : quirks.brokenStream
          const exit = yield* Effect.timeoutOption(Effect.exit(reading), outcome === "stays silent" ? 300 : 5000)
          deepStrictEqual(seen, ["first"])
          if (outcome === "stays silent") {
            assertTrue(Option.isNone(exit))
          } else {
            const ended = Option.getOrThrow(exit)
            if (outcome === "ends") {
              assertTrue(Exit.isSuccess(ended))
            } else {
              assertError(yield* Effect.flip(ended), yield* siteOf(method, "stream"), {
                tag: "DriverError",
                code: method === "fail_mid" ? "UNKNOWN" : "UNAVAILABLE",
                origin: "driver",
                details
              })
            }
          }
        })
      )
    }

    check(
      "bytes written right before closing still arrive",
      Effect.gen(function*() {
        yield* Effect.scoped(Effect.flatMap(call.sink(), ({ write }) => write(pattern(0, 65_536))))
        yield* awaitEvent("sink:eof:65536")
        yield* awaitEvent("sink:closed")
        yield* Effect.scoped(Effect.flatMap(call.idle(), ({ write }) => write(bytes.utf8("abc"))))
        yield* awaitEvent("idle:closed")
        strictEqual(yield* call.bytes_count("idle"), 3)
      })
    )

    check(
      "closing an idle stream closes the device",
      Effect.gen(function*() {
        yield* Effect.scoped(Effect.zipRight(call.idle(), awaitEvent("idle:open")))
        yield* awaitEvent("idle:closed")
        strictEqual(yield* call.open_count(), 0)
      })
    )

    check(
      "closing a stream that is not read to its end closes the device",
      Effect.gen(function*() {
        yield* Effect.scoped(Effect.flatMap(call.source_endless(), ({ read }) => Stream.runHead(read)))
        yield* awaitEvent("source_endless:closed")
        strictEqual(yield* call.open_count(), 0)
      })
    )

    check(
      "a closed stream refuses to write and to read",
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const stream = yield* Scope.extend(call.idle(), scope)
        yield* Scope.close(scope, Exit.void)
        assertTrue(Exit.isFailure(yield* Effect.exit(stream.write(bytes.utf8("late")))))
        assertTrue(Exit.isFailure(yield* Effect.exit(Stream.runDrain(stream.read))))
      })
    )

    check(
      "a stream that has ended refuses to write",
      Effect.gen(function*() {
        const stream = yield* call.idle()
        yield* stream.end
        const error = yield* Effect.flip(stream.write(bytes.utf8("late")))
        deepStrictEqual([error._tag, error.origin, error.code], ["ConnectionLost", "client", "FAILED_PRECONDITION"])
      })
    )

    // Closing waits for the end of the device too, so there are two readers.
    check(
      "a reader does not outlive its stream",
      Effect.gen(function*() {
        for (const open of [call.idle, call.bytes_echo]) {
          const reading = yield* Effect.scoped(Effect.gen(function*() {
            const stream = yield* open()
            const reading = yield* Effect.fork(Stream.runDrain(stream.read))
            yield* stream.write(bytes.utf8("x"))
            return reading
          }))
          yield* Effect.timeout(Fiber.await(reading), "2 seconds")
        }
      })
    )

    check(
      "a client that does not read slows the device down",
      Effect.gen(function*() {
        yield* call.source_endless()
        const sent = yield* awaitStill(call.bytes_count("source_endless"))
        assertTrue(sent <= 24 * mebibyte, `the device sent ${sent} bytes that the client did not read`)
      })
    )

    check(
      "a device that does not read slows the client down",
      Effect.gen(function*() {
        const stream = yield* call.sink_stuck()
        let written = 0
        const chunk = pattern(0, 65_536)
        const writing = yield* Effect.fork(Effect.forever(Effect.zipRight(
          stream.write(chunk),
          Effect.sync(() => {
            written += chunk.length
          })
        )))
        yield* awaitStill(Effect.sync(() => written))
        assertTrue(written <= 24 * mebibyte, `the client wrote ${written} bytes that the device does not read`)
        assertTrue(yield* Effect.map(call.bytes_count("sink_stuck"), (taken) => taken > 0 && taken <= chunk.length))
        yield* Fiber.interrupt(writing)
      })
    )

    for (
      const [what, method] of [
        ["does not exist", "missing"],
        ["is not exported", "unexported"],
        ["is a call", "echo"],
        ["is a streaming call", "count"]
      ] as const
    ) {
      check(
        `refuses a method that ${what}`,
        Effect.gen(function*() {
          const open = yield* described(method, DriverMethod.stream())
          yield* fails(Effect.scoped(open()), siteOf(method, "stream"), {
            tag: "MethodNotImplemented",
            code: "NOT_FOUND",
            origin: "driver"
          })
        })
      )
    }
  })
}
