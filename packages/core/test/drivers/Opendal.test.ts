import { Resource } from "@effect-jumpstarter/core"
import { HttpServer, Opendal, Tftp } from "@effect-jumpstarter/core/drivers"
import { StorageTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, FastCheck as fc, Fiber, Sink, Stream } from "effect"
import { createHash } from "node:crypto"
import { gzipSync } from "node:zlib"
import { conduct } from "../suite/storage.ts"
import { concat, utf8 } from "../support/bytes.ts"
import { type Answer, broken, connect, nothing, recording } from "./support.ts"

const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex")

const fake = (files?: Record<string, Uint8Array | string>) =>
  Effect.gen(function*() {
    const storage = yield* StorageTest.make(files)
    return { storage, client: yield* connect(Opendal.contract, storage.driver) }
  })

const scripted = (answers: Readonly<Record<string, Answer>>) => {
  const host = recording(Opendal.contract.client, {
    open: { value: "fd-1" },
    file_close: nothing,
    ...answers
  })
  return Effect.map(connect(Opendal.contract, host.driver), (client) => ({ calls: host.calls, client }))
}

const source = (content: string) => Resource.source(Stream.make(utf8(content)))

const drain = Resource.sink(Sink.drain)

const run = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

describe("Opendal", () => {
  it.scoped("opens a file, transfers its bytes, and closes it", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* scripted({
        file_read: { write: Stream.make(utf8("over "), utf8("there")) },
        file_write: { read: () => Effect.void }
      })
      assert.strictEqual(yield* Opendal.readString(client, "a/b"), "over there")
      yield* Opendal.writeString(client, "c", "text")
      assert.deepStrictEqual(calls, [
        ["open", "a/b", "rb"],
        ["file_read", "fd-1", "handle"],
        ["file_close", "fd-1"],
        ["open", "c", "wb"],
        ["file_write", "fd-1", "handle"],
        ["file_close", "fd-1"]
      ])
    }))

  it.scoped("sends arguments by position, and omits those with a default", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* scripted({
        file_seek: { value: 3 },
        hash: { value: "abc" },
        copy: nothing,
        presign_read: { value: { url: "http://x", method: "GET", headers: { a: "b" } } }
      })
      yield* client.file_seek("fd-1", 3)
      yield* client.file_seek("fd-1", -3, 2)
      yield* client.hash("a")
      yield* client.hash("a", "md5")
      yield* client.copy("a", "b")
      assert.strictEqual((yield* client.presign_read("a", 60)).url, "http://x")
      assert.deepStrictEqual(calls, [
        ["file_seek", "fd-1", 3],
        ["file_seek", "fd-1", -3, 2],
        ["hash", "a"],
        ["hash", "a", "md5"],
        ["copy", "a", "b"],
        ["presign_read", "a", 60]
      ])
    }))

  it.scoped("closes the file after a failure of the driver, the target or the source", () =>
    Effect.gen(function*() {
      const { client, storage } = yield* fake({ a: "content" })
      const refused = yield* Effect.flip(
        Opendal.readFile(client, "a", Resource.sink(Sink.forEach(() => Effect.fail("full" as const))))
      )
      assert.strictEqual(refused, "full")
      assert.strictEqual(yield* storage.openFiles, 0)
      const short = Resource.source(Stream.concat(Stream.make(utf8("ab")), Stream.fail("short" as const)))
      assert.strictEqual(yield* Effect.flip(Opendal.writeFile(client, "b", short)), "short")
      assert.strictEqual(yield* storage.openFiles, 0)
      const failing = yield* scripted({ file_write: { run: broken } })
      assert.include((yield* Effect.flip(Opendal.writeString(failing.client, "a", "b"))).message, "it broke")
      assert.deepStrictEqual(failing.calls.at(-1), ["file_close", "fd-1"])
    }))

  it.scoped("closes the file before an interruption completes", () =>
    Effect.gen(function*() {
      const writing = yield* Deferred.make<void>()
      const { calls, client } = yield* scripted({
        file_write: { read: () => Effect.zipRight(Deferred.succeed(writing, undefined), Effect.never) }
      })
      const fiber = yield* Effect.fork(Opendal.writeString(client, "a", "b"))
      yield* Deferred.await(writing)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(calls.at(-1), ["file_close", "fd-1"])
      assert.lengthOf(calls, 3)
    }))

  it.scoped("closes a file whose opening was interrupted", () =>
    Effect.gen(function*() {
      const opening = yield* Deferred.make<void>()
      const go = yield* Deferred.make<string>()
      const { calls, client } = yield* scripted({
        open: { run: Effect.zipRight(Deferred.succeed(opening, undefined), Deferred.await(go)) }
      })
      const fiber = yield* Effect.fork(Opendal.readBytes(client, "a"))
      yield* Deferred.await(opening)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Deferred.succeed(go, "fd-9")
      yield* Fiber.join(interruption)
      assert.deepStrictEqual(calls, [["open", "a", "rb"], ["file_close", "fd-9"]])
    }))

  it.scoped("fails when the file cannot be closed, because it may be incomplete", () =>
    Effect.gen(function*() {
      const { client } = yield* scripted({ file_write: { read: () => Effect.void }, file_close: { run: broken } })
      assert.include((yield* Effect.flip(Opendal.writeString(client, "a", "b"))).message, "device.file_close failed")
    }))

  it.scoped.prop(
    "reads back what it wrote",
    { bytes: fc.uint8Array({ maxLength: 200_000 }) },
    ({ bytes }) =>
      Effect.gen(function*() {
        const { client, storage } = yield* fake()
        yield* Opendal.writeBytes(client, "dir/file", bytes)
        assert.deepStrictEqual(yield* Opendal.readBytes(client, "dir/file"), bytes)
        assert.strictEqual(yield* client.hash("dir/file"), sha256(bytes))
        assert.strictEqual(yield* storage.openFiles, 0)
      }),
    { fastCheck: { numRuns: 20 } }
  )
})

it.scoped("Opendal.readBytes and readString read at most their limit", () =>
  Effect.gen(function*() {
    const { client, storage } = yield* fake({ a: "12345" })
    assert.strictEqual(yield* Opendal.readString(client, "a", { limit: 5 }), "12345")
    assert.strictEqual((yield* Effect.flip(Opendal.readBytes(client, "a", { limit: 4 })))._tag, "TransferTooLarge")
    assert.strictEqual((yield* Effect.flip(Opendal.readString(client, "a", { limit: 4 })))._tag, "TransferTooLarge")
    assert.strictEqual(yield* storage.openFiles, 0)
  }))

describe("Opendal.upload", () => {
  const content = "the image"
  const cases = [
    { name: "absent", files: {}, uploaded: true },
    { name: "present and the same", files: { image: content }, uploaded: false },
    { name: "present and another", files: { image: "an old image" }, uploaded: true },
    { name: "present and another of the same size", files: { image: "THE IMAGE" }, uploaded: true }
  ]
  for (const { files, name, uploaded } of cases) {
    it.scoped(`handles a file that is ${name}`, () =>
      Effect.gen(function*() {
        const { client, storage } = yield* fake(files)
        const result = yield* Opendal.upload(client, "image", source(content))
        assert.deepStrictEqual(result, { uploaded, sha256: sha256(content) })
        assert.deepStrictEqual((yield* storage.files).get("image"), utf8(content))
      }))
  }

  it.scoped("does not open a file that needs no upload", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* scripted({ exists: { value: true }, hash: { value: sha256(content) } })
      yield* Opendal.upload(client, "image", source(content))
      assert.deepStrictEqual(calls, [["exists", "image"], ["hash", "image"]])
    }))

  it.scoped("uploads when the storage cannot tell whether it has the file", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* scripted({
        exists: { run: broken },
        file_write: { read: () => Effect.void },
        hash: { value: sha256(content) }
      })
      assert.isTrue((yield* Opendal.upload(client, "image", source(content))).uploaded)
      assert.deepStrictEqual(calls.map(([method]) => method), ["exists", "open", "file_write", "file_close", "hash"])
    }))

  it.scoped("fails when the uploaded file differs from its source", () =>
    Effect.gen(function*() {
      const { client, storage } = yield* fake()
      yield* storage.corrupt((bytes) => bytes.slice(1))
      const error = yield* Effect.flip(Opendal.upload(client, "image", source(content)))
      assert.strictEqual(error._tag, "OpendalHashMismatch")
      assert.include(error.message, `"image" differs from the uploaded source: its SHA-256 is ${sha256("he image")}`)
      yield* storage.corrupt(undefined)
      assert.isTrue((yield* Opendal.upload(client, "image", source(content))).uploaded)
    }))

  it.scoped("corrupts each written byte once", () =>
    Effect.gen(function*() {
      const { client, storage } = yield* fake()
      yield* storage.corrupt((bytes) => bytes.map((byte) => byte ^ 0xff))
      const fd = yield* client.open("image", "wb")
      for (const piece of [1, 2]) {
        yield* client.file_write(fd, Resource.source(Stream.make(Uint8Array.of(piece))))
      }
      assert.deepStrictEqual((yield* storage.files).get("image"), Uint8Array.of(254, 253))
    }))

  it.scoped("compares the decoded bytes of an encoded source", () =>
    Effect.gen(function*() {
      const { client, storage } = yield* fake()
      const encoded = Resource.source(Stream.make(new Uint8Array(gzipSync(content))), { contentEncoding: "gzip" })
      assert.isTrue((yield* Opendal.upload(client, "image", encoded)).uploaded)
      assert.deepStrictEqual((yield* storage.files).get("image"), utf8(content))
      assert.isFalse((yield* Opendal.upload(client, "image", encoded)).uploaded)
    }))

  it.scoped("fails with its source's failure", () =>
    Effect.gen(function*() {
      const { client } = yield* fake()
      const failing = Resource.source(Stream.fail("unreadable" as const))
      assert.strictEqual(yield* Effect.flip(Opendal.upload(client, "image", failing)), "unreadable")
    }))
})

describe("StorageTest", () => {
  for (const { shows, what } of conduct) {
    it.scoped(`behaves as OpenDAL: ${what}`, () => Effect.flatMap(fake(), ({ client }) => shows(client)))
  }

  it.scoped("dies when a file cannot be written", () =>
    Effect.gen(function*() {
      const storage = yield* StorageTest.make({ a: "" })
      const message = yield* Effect.catchAllDefect(storage.write("a/b", ""), Effect.succeed)
      assert.include(String(message), "StorageTest cannot write the file \"a/b\"")
    }))

  it.scoped("lists like OpenDAL's file system service", () =>
    Effect.gen(function*() {
      const { client } = yield* fake({ "a.txt": "hi", "/sub/deep/b.txt": "x" })
      assert.deepStrictEqual(yield* run(client.list("/")), ["/", "a.txt", "sub/"])
      assert.deepStrictEqual(yield* run(client.list("")), ["/", "a.txt", "sub/"])
      assert.deepStrictEqual(yield* run(client.scan("/")), ["/", "a.txt", "sub/", "sub/deep/", "sub/deep/b.txt"])
      assert.deepStrictEqual(yield* run(client.list("sub/")), ["sub/", "sub/deep/"])
      assert.deepStrictEqual(yield* run(client.list("sub")), ["sub/"])
      assert.deepStrictEqual(yield* run(client.scan("sub")), ["sub/", "sub/deep/", "sub/deep/b.txt"])
      assert.deepStrictEqual(yield* run(client.list("a.txt")), ["a.txt"])
      assert.deepStrictEqual(yield* run(client.scan("nope/")), [])
    }))

  it.scoped("tells files from directories", () =>
    Effect.gen(function*() {
      const { client } = yield* fake({ "a.txt": "hi", "sub/b.txt": "x" })
      const file = yield* client.stat("/a.txt")
      assert.strictEqual(file.content_length, 2)
      assert.deepStrictEqual(file.mode, { entry_is_file: true, entry_is_dir: false })
      assert.isTrue((yield* client.stat("sub")).mode.entry_is_dir)
      assert.include((yield* Effect.flip(client.stat("nope"))).message, "NotFound")
      assert.isTrue(yield* client.exists("sub/"))
      assert.isFalse(yield* client.exists("nope"))
      assert.strictEqual(yield* client.hash("a.txt", "md5"), createHash("md5").update("hi").digest("hex"))
      const { copy, presign, write_total_max_size } = yield* client.capability()
      assert.deepStrictEqual([copy, presign, write_total_max_size], [true, false, null])
      assert.include((yield* Effect.flip(client.presign_read("a.txt", 5))).message, "Unsupported")
    }))

  it.scoped("copies, renames, creates and removes", () =>
    Effect.gen(function*() {
      const { client, storage } = yield* fake({ a: "1", "old/x": "2", "old/y/z": "3" })
      const names = Effect.map(storage.files, (files) => [...files.keys()].sort())
      yield* client.copy("a", "b")
      yield* client.rename("b", "c/d")
      assert.include((yield* Effect.flip(client.rename("nope", "e"))).message, "rename")
      assert.deepStrictEqual(yield* names, ["a", "c/d", "old/x", "old/y/z"])
      yield* client.create_dir("empty/")
      assert.include((yield* Effect.flip(client.create_dir("empty"))).message, "NotADirectory")
      yield* client.remove_all("old/")
      yield* client.delete("a")
      yield* client.delete("nope")
      assert.deepStrictEqual(yield* run(client.scan("/")), ["/", "c/", "c/d", "empty/"])
      yield* client.register_path("elsewhere/")
      assert.sameMembers([...yield* client.get_created_resources()], ["c/d", "empty", "elsewhere"])
    }))

  it.scoped("keeps a position in files open for reading, and appends to files open for writing", () =>
    Effect.gen(function*() {
      const { client, storage } = yield* fake({ a: "0123456789" })
      const fd = yield* client.open("a", "rb")
      assert.strictEqual(yield* client.file_seek(fd, 4), 4)
      assert.strictEqual(yield* client.file_seek(fd, 2, 1), 6)
      const chunks: Array<Uint8Array> = []
      yield* client.file_read(fd, Resource.sink(Sink.forEach((chunk) => Effect.sync(() => chunks.push(chunk)))))
      assert.deepStrictEqual(concat(chunks), utf8("6789"))
      assert.strictEqual(yield* client.file_seek(fd, -1, 2), 9)
      assert.strictEqual(yield* client.file_tell(fd), 9)
      assert.deepStrictEqual(
        yield* Effect.all([client.file_readable(fd), client.file_writable(fd), client.file_seekable(fd)]),
        [true, false, true]
      )
      assert.include((yield* Effect.flip(client.file_write(fd, source("x")))).message, "writing")
      yield* client.file_close(fd)
      assert.isTrue(yield* client.file_closed(fd))
      assert.include((yield* Effect.flip(client.file_read(fd, drain))).message, "reading")

      yield* Opendal.withFile(
        client,
        "b",
        "wb",
        (fd) => Effect.zipRight(client.file_write(fd, source("12")), client.file_write(fd, source("34")))
      )
      assert.deepStrictEqual((yield* storage.files).get("b"), utf8("1234"))
      assert.include((yield* Effect.flip(client.file_tell("nobody"))).message, "UUID('nobody')")
      assert.include((yield* Effect.flip(client.open("nope", "rb"))).message, "NotFound")
      yield* storage.write("c", utf8("\ufeffc"))
      assert.strictEqual(yield* Opendal.readString(client, "c"), "\ufeffc")
    }))
})

describe("HttpServer and Tftp", () => {
  it.scoped("writes a file, and returns its URL", () =>
    Effect.gen(function*() {
      const { client, storage } = yield* fake()
      const { calls, driver } = recording(HttpServer.contract.client, {
        start: nothing,
        get_url: { value: "http://10.0.0.1:8080" },
        get_port: { value: 8080 }
      })
      const server = yield* connect(HttpServer.contract, driver)
      yield* server.start()
      const url = yield* HttpServer.putFile(server, client, "/fw/update.bin", source("new"))
      assert.strictEqual(url, "http://10.0.0.1:8080/fw/update.bin")
      const odd = yield* HttpServer.putFile(server, client, "fw/é #1?/100%.bin", source("odd"))
      assert.strictEqual(decodeURIComponent(new URL(odd).pathname), "/fw/é #1?/100%.bin")
      assert.deepStrictEqual((yield* storage.files).get("fw/é #1?/100%.bin"), utf8("odd"))
      assert.deepStrictEqual((yield* storage.files).get("fw/update.bin"), utf8("new"))
      assert.strictEqual(yield* server.get_port(), 8080)
      assert.deepStrictEqual(calls, [["start"], ["get_url"], ["get_url"], ["get_port"]])
    }))

  it.scoped("starts, stops and finds a TFTP server", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Tftp.contract.client, {
        start: nothing,
        stop: nothing,
        get_host: { value: "10.0.0.1" },
        get_port: { value: 69 }
      })
      const server = yield* connect(Tftp.contract, driver)
      yield* server.start()
      assert.deepStrictEqual(yield* Effect.all([server.get_host(), server.get_port()]), ["10.0.0.1", 69])
      yield* server.stop()
      assert.deepStrictEqual(calls, [["start"], ["get_host"], ["get_port"], ["stop"]])
    }))
})
