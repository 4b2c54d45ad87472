import { ContentEncoding, Device, Resource } from "@effect-jumpstarter/core"
import { Flasher } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, FlasherTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Sink, Stream, TestClock } from "effect"
import { createHash } from "node:crypto"
import { concat, numbered, text, utf8 } from "../support/bytes.ts"
import { connect, nothing, recording } from "./support.ts"

const collect = Resource.sink(Sink.map(Sink.collectAll<Uint8Array>(), concat))

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const image = (content: string) => Resource.source(Stream.make(utf8(content)))

describe("Flasher", () => {
  it.scoped("sends the target when there is one", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Flasher.contract.client, {
        flash: { read: () => Effect.void },
        dump: { write: Stream.empty }
      })
      const flasher = yield* connect(Flasher.contract, driver)
      yield* Flasher.flash(flasher, image("a"))
      yield* Flasher.flash(flasher, image("a"), { target: "boot" })
      yield* Flasher.dump(flasher, collect)
      yield* Flasher.dump(flasher, collect, { target: "root" })
      assert.deepStrictEqual(calls, [
        ["flash", "handle"],
        ["flash", "handle", "boot"],
        ["dump", "handle"],
        ["dump", "handle", "root"]
      ])
    }))

  it.scoped("flashes several targets in the order given, and stops at a failure", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ targets: ["root", "boot", "9", "1"] })
      const flasher = yield* connect(Flasher.contract, fake.driver)
      yield* Flasher.flashAll(flasher, [["root", image("r")], ["9", image("n")], ["1", image("o")]])
      const targets = Effect.map(fake.flashed, (flashed) => flashed.map(({ target }) => target))
      assert.deepStrictEqual(yield* targets, ["root", "9", "1"])
      const error = yield* Effect.flip(
        Flasher.flashAll(flasher, new Map([["boot", image("b")], ["nvram", image("?")], ["root", image("R")]]))
      )
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.deepStrictEqual(yield* targets, ["root", "9", "1", "boot"])
    }))

  it.scoped("flashes and dumps many chunks", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make()
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const chunks = Array.from({ length: 50 }, (_, index) => numbered(index, 10_000))
      yield* Flasher.flash(flasher, Resource.source(Stream.fromIterable(chunks)))
      const expected = sha256(concat(chunks))
      const flashed = (yield* fake.flashed).map(({ sha256, target }) => ({ sha256, target }))
      assert.deepStrictEqual(flashed, [{ sha256: expected, target: "default" }])
      assert.strictEqual(sha256(yield* Flasher.dump(flasher, collect)), expected)
    }))

  it.scoped("flashes an image in each encoding", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make()
      const flasher = yield* connect(Flasher.contract, fake.driver)
      for (const contentEncoding of ["gzip", "xz", "bz2", "zstd"] as const) {
        const encoded = ContentEncoding.encode(contentEncoding)(Stream.make(utf8(contentEncoding.repeat(1000))))
        yield* Flasher.flash(flasher, Resource.source(encoded, { contentEncoding }), { target: contentEncoding })
        const content = (yield* fake.contents).get(contentEncoding)!
        assert.strictEqual(text(content), contentEncoding.repeat(1000))
      }
    }))

  it.scoped("shows the progress of a flash and waits for who watches it", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make()
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const seen: Array<Resource.TransferProgress> = []
      const slow = Stream.fromIterable([utf8("12345"), utf8("67890")]).pipe(
        Stream.tap(() => Effect.sleep("250 millis"))
      )
      const flash = yield* Effect.fork(Flasher.flash(flasher, Resource.source(slow, { size: 10 }), {
        progress: Stream.runForEach((progress) => Effect.sync(() => void seen.push(progress)))
      }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(flash)
      assert.deepStrictEqual(seen.map(({ bytes }) => bytes).filter((bytes, i, all) => bytes !== all[i - 1]), [0, 5, 10])
      assert.deepStrictEqual(seen.at(-1), { bytes: 10, total: Option.some(10), done: true })
      assert.isTrue(seen.slice(0, -1).every(({ done }) => !done))
    }))

  it.scoped("stops watching when the flash fails", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ targets: [] })
      const flasher = yield* connect(Flasher.contract, fake.driver)
      let watching = false
      const exit = yield* Effect.exit(Flasher.flash(flasher, image("x"), {
        progress: () =>
          Effect.suspend(() => {
            watching = true
            return Effect.never
          }).pipe(Effect.onInterrupt(() => Effect.sync(() => void (watching = false))))
      }))
      assert.isTrue(Exit.isFailure(exit))
      assert.isFalse(watching)
    }))

  it.scoped("shows the progress of a dump", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ chunkSize: 3 })
      yield* fake.setContent("default", utf8("1234567890"))
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const seen: Array<Resource.TransferProgress> = []
      const dumped = yield* Flasher.dump(flasher, collect, {
        progress: Stream.runForEach((progress) => Effect.sync(() => void seen.push(progress)))
      })
      assert.strictEqual(text(dumped), "1234567890")
      assert.deepStrictEqual(seen.at(-1), { bytes: 10, total: Option.none(), done: true })
    }))

  it.scoped("is spoken by the flashers that have more methods", () =>
    Effect.gen(function*() {
      for (const client of Flasher.contract.alsoSpokenBy) {
        const { driver } = recording(client, { flash: nothing })
        yield* Effect.provide(Device.connect(Flasher.contract, "device"), ExporterTest.layer({ device: driver }))
      }
    }))
})

describe("FlasherTest", () => {
  it.scoped("refuses an image that is not the accepted one", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ accept: { boot: sha256(utf8("signed")) } })
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const error = yield* Effect.flip(Flasher.flash(flasher, image("forged"), { target: "boot" }))
      assert.strictEqual(error.code, "INTERNAL")
      assert.include(error.message, sha256(utf8("forged")))
      assert.deepStrictEqual(yield* fake.flashed, [])
      yield* Flasher.flash(flasher, image("signed"), { target: "boot" })
      yield* Flasher.flash(flasher, image("anything"), { target: "root" })
      assert.lengthOf(yield* fake.flashed, 2)
    }))

  it.scoped("breaks off after as many bytes as it is told to", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ chunkSize: 4 })
      const flasher = yield* connect(Flasher.contract, fake.driver)
      yield* fake.failAfter(6)
      const source = Resource.source(Stream.make(utf8("1234"), utf8("5678")))
      assert.include((yield* Effect.flip(Flasher.flash(flasher, source))).message, "flashing broke off after 6 bytes")
      assert.strictEqual(text((yield* fake.contents).get("default")!), "123456")
      assert.deepStrictEqual(yield* fake.flashed, [])
      yield* fake.setContent("default", utf8("12345678"))
      assert.include((yield* Effect.flip(Flasher.dump(flasher, collect))).message, "dumping broke off after 6 bytes")
      yield* fake.failAfter(undefined)
      yield* Flasher.flash(flasher, source)
      assert.strictEqual(text(yield* Flasher.dump(flasher, collect)), "12345678")
    }))

  it.scoped("has nothing to dump where nothing was flashed", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ defaultTarget: "mtd0" })
      const flasher = yield* connect(Flasher.contract, fake.driver)
      assert.include((yield* Effect.flip(Flasher.dump(flasher, collect))).message, "mtd0 was never flashed")
      yield* Flasher.flash(flasher, Resource.source(Stream.empty))
      assert.lengthOf(yield* Flasher.dump(flasher, collect), 0)
    }))
})
