import { ContentEncoding, Device, ProgressBar, Resource } from "@effect-jumpstarter/core"
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
      yield* flasher.flash(image("a"))
      yield* flasher.flash(image("a"), "boot")
      yield* flasher.dump(collect)
      yield* flasher.dump(collect, "root")
      assert.deepStrictEqual(calls, [
        ["flash", "handle"],
        ["flash", "handle", "boot"],
        ["dump", "handle"],
        ["dump", "handle", "root"]
      ])
    }))

  it.scoped("flashes several targets in the given order, and stops at a failure", () =>
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
      yield* flasher.flash(Resource.source(Stream.fromIterable(chunks)))
      const expected = sha256(concat(chunks))
      const flashed = (yield* fake.flashed).map(({ sha256, target }) => ({ sha256, target }))
      assert.deepStrictEqual(flashed, [{ sha256: expected, target: "default" }])
      assert.strictEqual(sha256(yield* flasher.dump(collect)), expected)
    }))

  it.scoped("verifies every byte of an image", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ chunkSize: 7 })
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const content = concat(Array.from({ length: 10 }, (_, index) => numbered(index)))
      const encoded = ContentEncoding.encode("gzip")(Stream.make(content))
      const image = Resource.source(encoded, { contentEncoding: "gzip" })
      yield* flasher.flash(image, "root")
      yield* Flasher.verify(flasher, image, "root")
      // The bytes of a partition after the image are not compared.
      yield* fake.setContent("root", concat([content, utf8("rest")]))
      yield* Flasher.verify(flasher, image, "root")

      const mismatch = (target?: string) => Effect.flip(Flasher.verify(flasher, image, target))
      const expected = sha256(content)
      const corrupt = Uint8Array.from(content)
      corrupt[39]! ^= 1
      yield* fake.setContent("root", corrupt)
      assert.deepStrictEqual(
        yield* mismatch("root"),
        new Flasher.HashMismatch({ target: "root", expected, actual: sha256(corrupt) })
      )
      yield* fake.setContent("default", content.subarray(0, 39))
      const short = yield* mismatch()
      assert.deepStrictEqual(
        short,
        new Flasher.HashMismatch({ target: undefined, expected, actual: sha256(content.subarray(0, 39)) })
      )
      assert.strictEqual(
        short.message,
        `the content of the device differs from the image: its SHA-256 is ${
          sha256(content.subarray(0, 39))
        }, expected ${expected}`
      )
    }))

  it.scoped("does not verify an empty image", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make()
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const error = yield* Effect.flip(Flasher.verify(flasher, Resource.source(Stream.empty), "root"))
      assert.deepStrictEqual(error, new Flasher.EmptyImage({ target: "root" }))
      assert.include(error.message, "the image for \"root\" is empty")
    }))

  it.scoped("shows the progress of verify's dump", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make()
      const flasher = yield* connect(Flasher.contract, fake.driver)
      yield* fake.setContent("default", utf8("12345678"))
      const seen: Array<number> = []
      const watched = Resource.withProgress(
        image("1234"),
        Stream.runForEach(({ bytes }) => Effect.sync(() => void seen.push(bytes)))
      )
      yield* Flasher.verify(flasher, watched)
      assert.strictEqual(seen.at(-1), 8)
    }))

  it.scoped("flashes an image in each encoding", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make()
      const flasher = yield* connect(Flasher.contract, fake.driver)
      for (const contentEncoding of ["gzip", "xz", "bz2", "zstd"] as const) {
        const encoded = ContentEncoding.encode(contentEncoding)(Stream.make(utf8(contentEncoding.repeat(1000))))
        yield* flasher.flash(Resource.source(encoded, { contentEncoding }), contentEncoding)
        const content = (yield* fake.contents).get(contentEncoding)!
        assert.strictEqual(text(content), contentEncoding.repeat(1000))
      }
    }))

  it.scoped("shows the progress of a flash, and waits for the observer", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make()
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const seen: Array<Resource.TransferProgress> = []
      const slow = Stream.fromIterable([utf8("12345"), utf8("67890")]).pipe(
        Stream.tap(() => Effect.sleep("250 millis"))
      )
      const flash = yield* Effect.fork(flasher.flash(
        Resource.withProgress(
          Resource.source(slow, { size: 10 }),
          Stream.runForEach((progress) => Effect.sync(() => void seen.push(progress)))
        )
      ))
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
      const exit = yield* Effect.exit(flasher.flash(Resource.withProgress(image("x"), () =>
        Effect.suspend(() => {
          watching = true
          return Effect.never
        }).pipe(Effect.onInterrupt(() => Effect.sync(() => void (watching = false)))))))
      assert.isTrue(Exit.isFailure(exit))
      assert.isFalse(watching)
    }))

  it.scoped("shows the progress of a dump", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ chunkSize: 3 })
      yield* fake.setContent("default", utf8("1234567890"))
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const seen: Array<Resource.TransferProgress> = []
      const dumped = yield* flasher.dump(
        Resource.withProgress(
          collect,
          Stream.runForEach((progress) => Effect.sync(() => void seen.push(progress)))
        )
      )
      assert.strictEqual(text(dumped), "1234567890")
      assert.deepStrictEqual(seen.at(-1), { bytes: 10, total: Option.none(), done: true })
    }))

  it.scoped("draws a bar for each transfer of an image, and completes it before the flash", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make()
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const lines: Array<string> = []
      const output = { write: (text: string) => lines.push(text) }
      const source = Resource.source(Stream.make(new Uint8Array(2_000_000)), { size: 2_000_000 })
      const shown = ProgressBar.show(source, { label: "boot", output })
      yield* flasher.flash(shown)
      yield* flasher.flash(shown)
      const line = "boot 100 % (2.0 of 2.0 MB) at 0.0 MB/s in 0.0 s\n"
      assert.deepStrictEqual(lines, [line, line])
    }))

  it.scoped("notifies every observer of a flash, and fails when an observer dies", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make()
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const seen: Array<string> = []
      const watch = (name: string) => <A, E, R>(resource: Resource.Source<A, E, R>) =>
        Resource.withProgress(
          resource,
          Stream.runForEach(({ done }) => Effect.sync(() => void (done && seen.push(name))))
        )
      yield* flasher.flash(watch("a")(watch("b")(image("x"))))
      assert.sameMembers(seen, ["a", "b"])
      const dying = Resource.withProgress(image("x"), () => Effect.die("no terminal"))
      const exit = yield* Effect.exit(flasher.flash(dying))
      assert.deepStrictEqual(exit, Exit.die("no terminal"))
    }))

  it.scoped("accepts labels of flashers with more methods", () =>
    Effect.gen(function*() {
      for (const client of Flasher.contract.alsoSpokenBy) {
        const { driver } = recording(client, { flash: nothing })
        yield* Effect.provide(Device.connect(Flasher.contract, "device"), ExporterTest.layer({ device: driver }))
      }
    }))
})

describe("FlasherTest", () => {
  it.scoped("refuses an image other than the accepted one", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ accept: { boot: sha256(utf8("signed")).toUpperCase() } })
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const error = yield* Effect.flip(flasher.flash(image("forged"), "boot"))
      assert.strictEqual(error.code, "INTERNAL")
      assert.include(error.message, sha256(utf8("forged")))
      assert.deepStrictEqual(yield* fake.flashed, [])
      yield* flasher.flash(image("signed"), "boot")
      yield* flasher.flash(image("anything"), "root")
      assert.lengthOf(yield* fake.flashed, 2)
    }))

  it.scoped("fails after the given number of bytes", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ chunkSize: 4 })
      const flasher = yield* connect(Flasher.contract, fake.driver)
      yield* fake.failAfter(6)
      const source = Resource.source(Stream.make(utf8("1234"), utf8("5678")))
      assert.include((yield* Effect.flip(flasher.flash(source))).message, "flashing failed after 6 bytes")
      assert.strictEqual(text((yield* fake.contents).get("default")!), "123456")
      assert.deepStrictEqual(yield* fake.flashed, [])
      yield* fake.setContent("default", utf8("12345678"))
      assert.include((yield* Effect.flip(flasher.dump(collect))).message, "dumping failed after 6 bytes")
      yield* fake.failAfter(undefined)
      yield* flasher.flash(source)
      assert.strictEqual(text(yield* flasher.dump(collect)), "12345678")
    }))

  it.scoped("writes at the given rate", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ bytesPerSecond: 4 })
      const flasher = yield* connect(Flasher.contract, fake.driver)
      const flashing = yield* Effect.fork(flasher.flash(Resource.source(Stream.make(utf8("1234"), utf8("56")))))
      yield* TestClock.adjust("1499 millis")
      assert.deepStrictEqual(yield* fake.flashed, [])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(flashing)
      assert.lengthOf(yield* fake.flashed, 1)
    }))

  it.scoped("fails to dump a target that was never flashed", () =>
    Effect.gen(function*() {
      const fake = yield* FlasherTest.make({ defaultTarget: "mtd0" })
      const flasher = yield* connect(Flasher.contract, fake.driver)
      assert.include((yield* Effect.flip(flasher.dump(collect))).message, "mtd0 was never flashed")
      yield* flasher.flash(Resource.source(Stream.empty))
      assert.lengthOf(yield* flasher.dump(collect), 0)
    }))
})
