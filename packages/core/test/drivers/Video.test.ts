import { ByteStream, Device, Driver } from "@effect-jumpstarter/core"
import { UStreamer, Video } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, VideoTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Layer, Option, Stream } from "effect"
import * as parts from "../../src/drivers/video/parts.ts"
import { connect, recording } from "./support.ts"

const jpeg = (...bytes: ReadonlyArray<number>) => Uint8Array.of(0xff, 0xd8, ...bytes, 0xff, 0xd9)

const encode = (text: string) => new TextEncoder().encode(text)

// A camera whose HTTP server answers any request with this text.
const answering = (response: string) => {
  const unused = () => Effect.die("not called")
  return connect(
    UStreamer.contract,
    Driver.fromInterface(UStreamer.contract, {
      state: unused,
      snapshot: unused,
      connect: ByteStream.transform((input) =>
        Stream.concat(Stream.drain(Stream.take(input, 1)), Stream.make(encode(response)))
      )
    })
  )
}

describe("Video", () => {
  it.scoped("streams pictures from a camera, and takes a snapshot", () =>
    Effect.gen(function*() {
      const fake = yield* VideoTest.make({ jpeg: jpeg(1), width: 320, height: 200 })
      const camera = yield* connect(Video.contract, fake.driver)
      assert.deepStrictEqual(yield* camera.snapshot(), jpeg(1))
      assert.deepStrictEqual(yield* camera.state(), { online: true, width: 320, height: 200 })
      const seen: Array<Uint8Array> = []
      yield* Video.frames(camera).pipe(
        Stream.take(3),
        Stream.runForEach((picture) =>
          Effect.suspend(() => {
            seen.push(picture)
            // Two pictures with the boundary of HTTP's parts in them.
            return fake.show(jpeg(seen.length + 1, ...encode("\r\n--videotest\r\n\r\n")))
          })
        )
      )
      assert.deepStrictEqual(seen.map((picture) => picture[2]), [1, 2, 3])
      yield* Effect.repeat(Effect.yieldNow(), { until: () => Effect.map(fake.viewers, (count) => count === 0) })
    }))

  it.scoped("passes a failure of the driver on", () =>
    Effect.gen(function*() {
      const fake = yield* VideoTest.make()
      yield* fake.setOnline(false)
      const camera = yield* connect(Video.contract, fake.driver)
      assert.deepStrictEqual(yield* camera.state(), { online: false })
      const error = yield* Effect.flip(Stream.runHead(Video.frames(camera)))
      assert.strictEqual(error._tag, "DriverError")
      assert.strictEqual((yield* Effect.flip(camera.snapshot()))._tag, "DriverError")
    }))

  it.scoped("asks the driver for the path, unless the program or an old driver says", () =>
    Effect.gen(function*() {
      const fake = yield* VideoTest.make({ path: "/cam?id=1" })
      const camera = yield* connect(Video.contract, fake.driver)
      assert.isTrue(Option.isSome(yield* Stream.runHead(Video.frames(camera))))
      const error = yield* Effect.flip(Stream.runHead(Video.frames(camera, { path: "/stream" })))
      assert.strictEqual(error.message, "no pictures from the stream /stream: the HTTP server answered with status 404")
      // A driver of the release 0.9.0 does not say.
      const old = yield* answering("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
      const refused = yield* Effect.flip(Stream.runHead(Video.frames(old)))
      assert.strictEqual(
        refused.message,
        "no pictures from the stream /stream: the HTTP server answered with status 500"
      )
    }))

  it.scoped.each(
    [
      [
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>",
        "the HTTP server answered with text/html, not with a stream"
      ],
      ["HTTP/1.1 200 OK\r\n\r\n", "the HTTP server answered with no content type, not with a stream"],
      [
        "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n--b\r\n\r\nabc",
        "the HTTP server ended the stream"
      ],
      [
        `HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n${"x".repeat(20_000)}`,
        "there is no boundary \"--b\" in it"
      ]
    ] as const
  )("says what is wrong with a response (%#)", ([response, reason]) =>
    Effect.gen(function*() {
      const camera = yield* answering(response)
      const error = yield* Effect.flip(Stream.runCollect(Video.frames(camera)))
      assert.strictEqual(error.message, `no pictures from the stream /stream: ${reason}`)
    }))

  it.scoped("fails for what is no HTTP, and for a path that no request can carry", () =>
    Effect.gen(function*() {
      const camera = yield* answering("SSH-2.0-OpenSSH\r\n")
      const error = yield* Effect.flip(Stream.runCollect(Video.frames(camera)))
      assert.match(error.message, /^no pictures from the stream \/stream: Parse Error/)
      const path = yield* Effect.flip(Stream.runCollect(Video.frames(camera, { path: "/a b" })))
      assert.match(path.message, /^no pictures from the stream \/a b: Request path contains unescaped characters/)
    }))

  it.scoped("reads a chunked response, and one whose parts have no length", () =>
    Effect.gen(function*() {
      const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
      const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        + "Content-Type: multipart/x-mixed-replace; boundary=\"--b\"\r\n\r\n"
      const body = chunk("--b\r\nA: 1\r\n\r\non") + chunk("e\r\n-") + chunk("-b\r\n\r\ntwo\r\n--b\r\n\r\n")
      const camera = yield* answering(head + body)
      const pictures = yield* Video.frames(camera).pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(Chunk.toReadonlyArray(pictures).map((bytes) => new TextDecoder().decode(bytes)), [
        "one",
        "two"
      ])
    }))
})

describe("the parts of a stream of pictures", () => {
  const text = (bytes: ReadonlyArray<Uint8Array> | string) =>
    typeof bytes === "string" ? bytes : bytes.map((part) => new TextDecoder("latin1").decode(part))

  it("are found however the bytes arrive", () => {
    const stream = encode(
      "preamble\r\n--b\r\nContent-Length: 3\r\n\r\nabc\r\n--b\r\n\r\nde\r\n--b\r\nContent-Length: 0\r\n\r\n\r\n--b"
    )
    for (let size = 1; size <= stream.length; size++) {
      const split = new parts.Parts("b")
      const found: Array<Uint8Array> = []
      for (let at = 0; at < stream.length; at += size) {
        const complete = split.push(stream.subarray(at, at + size))
        assert(typeof complete !== "string")
        for (const part of complete) found.push(part)
      }
      assert.deepStrictEqual(text(found), ["abc", "de", ""])
    }
  })

  it("are found in a time that grows with their size only", () => {
    const split = new parts.Parts("b")
    const piece = new Uint8Array(2_048).fill(0x2d)
    split.push(encode("--b\r\n\r\n"))
    for (let count = 0; count < 24_000; count++) assert.deepStrictEqual(split.push(piece), [])
    const [part] = split.push(encode("\r\n--b"))
    assert(part instanceof Uint8Array)
    assert.strictEqual(part.length, 24_000 * piece.length)
  })

  it("are refused when they are too large", () => {
    assert.match(String(new parts.Parts("b").push(encode("--b\r\nContent-Length: 99999999\r\n\r\n"))), /larger than/)
    assert.match(String(new parts.Parts("b").push(encode(`--b\r\n${"x".repeat(20_000)}`))), /too long/)
  })

  it("have a boundary in the type of the response", () => {
    assert.strictEqual(parts.boundaryOf("multipart/x-mixed-replace;boundary=--frame"), "frame")
    assert.strictEqual(parts.boundaryOf("multipart/x-mixed-replace; charset=a; boundary=\"a b\""), "a b")
    assert.isUndefined(parts.boundaryOf("image/jpeg"))
  })
})

describe("UStreamer", () => {
  it.scoped("decodes the state, and refuses another one", () =>
    Effect.gen(function*() {
      const state = {
        ok: true,
        result: {
          encoder: { type: "CPU", quality: 80 },
          source: { online: true, desired_fps: 30, captured_fps: 29, resolution: { width: 640, height: 480 } }
        }
      }
      const { driver } = recording(UStreamer.contract.client, {
        state: { value: state },
        snapshot: { value: "no base64!" }
      })
      const camera = yield* connect(UStreamer.contract, driver)
      assert.deepStrictEqual(yield* camera.state(), state)
      assert.strictEqual((yield* Effect.flip(camera.snapshot()))._tag, "UnexpectedResult")
    }))

  it.scoped("streams through a fake camera as well", () =>
    Effect.gen(function*() {
      const fake = yield* VideoTest.make({ jpeg: jpeg(9) })
      const connection = yield* Layer.build(ExporterTest.layer({ camera: fake.driver }))
      const camera = yield* Effect.provide(Device.connect(Video.contract, "camera"), connection)
      assert.deepStrictEqual(Option.getOrThrow(yield* Stream.runHead(Video.frames(camera))), jpeg(9))
    }))
})
