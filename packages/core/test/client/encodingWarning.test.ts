// Warnings about content that looks encoded but is sent unchanged because no encoding is set.
import { Device, Driver, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import { Flasher, Opendal, StorageMux } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, FlasherTest, StorageTest } from "@effect-jumpstarter/core/testing"
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Layer, Logger, Option, Sink, Stream } from "effect"
import * as ContentEncoding from "../../src/resource/ContentEncoding.ts"
import { concat, utf8 } from "../support/bytes.ts"

class Board extends Device.Tag("test/encodingWarning/Board", Flasher.contract)<Board>() {}
class Card extends Device.Tag("test/encodingWarning/Card", StorageMux.contract)<Card>() {}
class Files extends Device.Tag("test/encodingWarning/Files", Opendal.contract)<Files>() {}

const encoded = (encoding: ContentEncoding.ContentEncoding) =>
  Effect.map(
    Stream.runCollect(ContentEncoding.encode(encoding)(Stream.make(utf8("firmware")))),
    (chunks) => concat(Array.fromIterable(chunks))
  )

const bench = Layer.unwrapEffect(Effect.gen(function*() {
  const flasher = yield* FlasherTest.make()
  const storage = yield* StorageTest.make()
  const drain = Effect.fnUntraced(function*(bytes: Stream.Stream<Uint8Array, unknown>) {
    yield* Effect.ignore(Stream.runDrain(bytes))
  })
  const mux = Driver.fromInterface(StorageMux.contract, {
    host: () => Effect.void,
    dut: () => Effect.void,
    off: () => Effect.void,
    write: drain,
    read: (write) => write(Stream.make(utf8("firmware")))
  })
  // Also takes presigned requests, and fetches nothing.
  const taking = Driver.make({ client: "taking", methods: { take: Driver.call(() => Effect.void) } })
  return Layer.provideMerge(
    Layer.mergeAll(Board.layer("flasher"), Card.layer("mux"), Files.layer("files")),
    ExporterTest.layer({ flasher: flasher.driver, files: storage.driver, mux, taking })
  )
}))

type Bench = Layer.Layer.Success<typeof bench>

/** The warnings of an effect that uses the bench. */
const warnings = <A, E>(effect: Effect.Effect<A, E, Bench | FileSystem.FileSystem>) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    if (logLevel.label === "WARN") lines.push(Array.ensure(message).join(" "))
  })
  return effect.pipe(
    Effect.provide(bench),
    Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
    Effect.provide(Logger.add(logger)),
    Effect.provide(NodeFileSystem.layer),
    Effect.as(lines)
  )
}

const flash = <E>(source: Resource.Source<void, E, never>) => Effect.flatMap(Board, (board) => board.flash(source))

const file = (name: string, content: Uint8Array) =>
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const path = `${yield* fileSystem.makeTempDirectoryScoped()}/${name}`
    yield* fileSystem.writeFile(path, content)
    return path
  })

const only = (lines: ReadonlyArray<string>): string => {
  assert.strictEqual(lines.length, 1, lines.join("\n"))
  return lines[0] ?? ""
}

const endings = { gzip: "GZ", xz: "xz", bz2: "bz2", zstd: "zst" } as const

describe("a source that looks encoded and has no contentEncoding", () => {
  for (const encoding of ContentEncoding.ContentEncoding.literals) {
    it.scopedLive(`warns of ${encoding} by name and first bytes, and by either alone`, () =>
      Effect.gen(function*() {
        const bytes = yield* encoded(encoding)
        const path = yield* file(`image.raw.${endings[encoding]}`, bytes)
        const both = only(yield* warnings(Effect.flatMap(Resource.fromFile(path), flash)))
        assert.include(both, JSON.stringify(path))
        assert.include(
          both,
          `is sent to flasher as it is, still compressed: its name and its first bytes say ${encoding}`
        )
        assert.include(both, `contentEncoding: "${encoding}" decodes it`)
        assert.include(both, `contentEncoding: "identity" keeps it compressed`)

        // One byte per chunk, as in a slow stream.
        const trickle = Resource.source(Stream.map(Stream.fromIterable(bytes), (byte) => Uint8Array.of(byte)))
        assert.include(
          only(yield* warnings(flash(trickle))),
          `a source is sent to flasher as it is, still compressed: its first bytes say ${encoding}`
        )

        const misnamed = Resource.source(Stream.make(utf8("firmware")), { name: `image.${endings[encoding]}` })
        assert.include(only(yield* warnings(flash(misnamed))), `its name says ${encoding}, but its first bytes do not`)
        const short = Resource.source(Stream.make(utf8("f")), { name: `image.${endings[encoding]}` })
        assert.include(only(yield* warnings(flash(short))), `its name says ${encoding}, but its first bytes do not`)
      }).pipe(Effect.provide(NodeFileSystem.layer)))

    it.scopedLive(`gives no warning when ${encoding}, or identity, is set`, () =>
      Effect.gen(function*() {
        const path = yield* file(`image.raw.${endings[encoding]}`, yield* encoded(encoding))
        for (const contentEncoding of [encoding, "identity"] as const) {
          const source = yield* Effect.provide(Resource.fromFile(path, { contentEncoding }), NodeFileSystem.layer)
          assert.deepStrictEqual(
            source.contentEncoding,
            contentEncoding === "identity" ? Option.none() : Option.some(encoding)
          )
          assert.deepStrictEqual(yield* warnings(flash(source)), [])
        }
      }).pipe(Effect.provide(NodeFileSystem.layer)))
  }

  it.live("gives no warning when it does not look encoded", () =>
    Effect.gen(function*() {
      for (const name of [undefined, "image.raw", "notes.about.xz.txt", "xz", "image.constructor"]) {
        for (const content of [utf8("firmware"), new Uint8Array(0), Uint8Array.of(0x1f, 0x8b), utf8("BZhurray")]) {
          assert.deepStrictEqual(yield* warnings(flash(Resource.source(Stream.make(content), { name }))), [])
        }
      }
    }))

  it.live("warns for every driver, and for every way to lend it", () =>
    Effect.gen(function*() {
      const image = Resource.source(Stream.make(yield* encoded("xz")))
      assert.include(
        only(yield* warnings(Effect.flatMap(Card, (card) => StorageMux.write(card, image)))),
        "is sent to mux as it is"
      )
      const untyped = Effect.gen(function*() {
        const driver = yield* ExporterConnection.driver("flasher")
        yield* driver.call("flash", yield* driver.resource(image))
      })
      assert.include(only(yield* warnings(Effect.scoped(untyped))), "is sent to flasher as it is")
      const watched = Resource.withIdleTimeout(image, "1 minute")
      assert.include(only(yield* warnings(flash(watched))), "is sent to flasher as it is")
    }))

  it.live("is stored as it is, with a warning only when its new name loses the ending", () =>
    Effect.gen(function*() {
      const bytes = yield* encoded("xz")
      const named = Resource.source(Stream.make(bytes), { name: "image.raw.xz" })
      const upload = (path: string, source: Resource.Source<void, never, never>) =>
        warnings(Effect.flatMap(Files, (files) => Opendal.upload(files, path, source)))
      assert.deepStrictEqual(yield* upload("image.raw.xz", named), [])
      assert.deepStrictEqual(yield* upload("initrd.img", Resource.source(Stream.make(bytes))), [])
      assert.include(only(yield* upload("image.raw", named)), "is sent to files as it is, still compressed")
    }))
})

describe("a dump into a file that is named as encoded", () => {
  const dump = (name: string, content: Uint8Array, options?: Resource.ResourceOptions) =>
    warnings(Effect.gen(function*() {
      const board = yield* Board
      yield* board.flash(Resource.source(Stream.make(content), { contentEncoding: "identity" }))
      yield* board.dump(Resource.sink(Sink.drain, { name, ...options }))
    }))

  it.live("warns when the bytes are not encoded", () =>
    Effect.gen(function*() {
      const warning = only(yield* dump("dump.img.xz", utf8("firmware")))
      assert.include(warning, "\"dump.img.xz\" gets what flasher writes as it is: its name says xz")
      assert.include(
        warning,
        "contentEncoding: \"xz\" encodes it, contentEncoding: \"identity\" keeps it as it is"
      )
      assert.include(only(yield* dump("dump.img.xz", utf8("f"))), "its name says xz")
    }))

  it.live("gives no other warning", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* dump("dump.img.xz", utf8("firmware"), { contentEncoding: "xz" }), [])
      assert.deepStrictEqual(yield* dump("dump.img.xz", utf8("firmware"), { contentEncoding: "identity" }), [])
      assert.deepStrictEqual(yield* dump("dump.img.xz", yield* encoded("xz")), [])
      assert.deepStrictEqual(yield* dump("dump.img", utf8("firmware")), [])
    }))

  it.scopedLive("knows the path of the file", () =>
    Effect.gen(function*() {
      const path = yield* file("dump.img.zst", new Uint8Array(0))
      const lines = yield* warnings(
        Effect.flatMap(Card, (card) => Effect.flatMap(Resource.toFile(path), (target) => card.read(target)))
      )
      assert.include(only(lines), `${JSON.stringify(path)} gets what mux writes as it is: its name says zstd`)
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})

describe("a presigned request for a file that is named as encoded", () => {
  const url = "https://images.example/board/image.raw.xz?signature=secret"
  const take = (request: Resource.PresignedRequest) =>
    warnings(Effect.flatMap(ExporterConnection.driver("taking"), (driver) => driver.call("take", request)))

  it.live("warns without the signature", () =>
    Effect.gen(function*() {
      const get = only(yield* take(Resource.presigned(url)))
      assert.include(get, "taking gets https://images.example/board/image.raw.xz as it is")
      assert.include(get, "contentEncoding: \"xz\"")
      assert.include(get, "Resource.presigned(url, { contentEncoding: \"identity\" })")
      assert.notInclude(get, "secret")
      const put = only(yield* take(Resource.presigned(url, { method: "PUT" })))
      assert.include(put, "image.raw.xz gets what taking writes as it is")
      assert.notInclude(put, "secret")
    }))

  it.live("gives no warning when identity is set, or for other names", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* take(Resource.presigned(url, { contentEncoding: "identity" })), [])
      assert.deepStrictEqual(yield* take(Resource.presigned("https://images.example/image.raw?of=image.xz")), [])
      assert.deepStrictEqual(yield* take(Resource.presigned("no URL.xz")), [])
    }))

  it.live("also warns in a typed call", () =>
    Effect.gen(function*() {
      const lines = yield* warnings(
        Effect.flatMap(Board, (board) => Effect.ignore(board.flash(Resource.presigned("http://127.0.0.1:1/image.gz"))))
      )
      assert.include(lines.join("\n"), "flasher gets http://127.0.0.1:1/image.gz as it is")
    }))
})
