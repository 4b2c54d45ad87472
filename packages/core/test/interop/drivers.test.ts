// The catalogue's contracts against the drivers of Jumpstarter itself.
import { Device, type DriverInterface, Endpoint, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import {
  Composite,
  Console,
  Flasher,
  Network,
  Opendal,
  Power,
  Serial,
  StorageMux
} from "@effect-jumpstarter/core/drivers"
import { ExporterTest, StorageTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, layer } from "@effect/vitest"
import { Chunk, Effect, Layer, Sink, Stream } from "effect"
import { createHash } from "node:crypto"
import { createConnection, type Socket } from "node:net"
import { conduct } from "../suite/storage.ts"
import { concat, numbered, text, utf8 } from "../support/bytes.ts"
import * as process from "../support/process.ts"
import * as python from "../support/python.ts"

const exporter = Layer.unwrapScoped(
  Effect.map(process.start(python.exporter()), ({ ready }) => ExporterConnection.layer(Endpoint.unix(ready.unix)))
)

const connect = <I extends DriverInterface.Any>(contract: I, path: string) =>
  Effect.orDie(Device.connect(contract, path))

const collect = Resource.sink(Sink.map(Sink.collectAll<Uint8Array>(), concat))

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const image = concat(Array.from({ length: 300 }, (_, index) => numbered(index, 1000)))

const source = (bytes: Uint8Array) => Resource.source(Stream.make(bytes))

describe("the catalogue against a Python exporter", () => {
  layer(exporter, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    for (const path of ["power", "sync_power", "nested.inner.power", "alias"]) {
      it.scoped(`Power at ${path}`, () =>
        Effect.gen(function*() {
          const power = yield* connect(Power.contract, path)
          yield* Power.cycle(power, { wait: "10 millis" })
          const readings = yield* Stream.runCollect(power.read())
          assert.deepStrictEqual(Chunk.toReadonlyArray(readings), [
            { voltage: 0, current: 0 },
            { voltage: 5, current: 2 }
          ])
          assert.deepStrictEqual(Array.from(readings, Power.apparentPower), [0, 10])
        }))
    }

    it.scoped("Composite", () => connect(Composite.contract, "nested.inner"))

    it.scoped("Network", () =>
      Effect.gen(function*() {
        const echo = yield* connect(Network.contract, "echo")
        const console = yield* Console.make(yield* echo.connect())
        yield* console.sendLine("hello")
        assert.strictEqual((yield* console.expect("\n")).before, "hello")
        assert.strictEqual((yield* Effect.flip(echo.address()))._tag, "MethodNotImplemented")
        const tcp = yield* connect(Network.contract, "tcp")
        assert.match(yield* tcp.address(), /^tcp:\/\/127\.0\.0\.1:\d+$/)
        const refused = yield* connect(Network.contract, "refused")
        assert.strictEqual((yield* Effect.flip(refused.address()))._tag, "InvalidArgument")
      }))

    it.scoped("Network through a local port, with a half-close", () =>
      Effect.gen(function*() {
        const { port } = yield* Network.portForward(yield* connect(Network.contract, "tcp"))
        const answer = yield* Effect.async<string>((resume) => {
          let heard = ""
          const socket: Socket = createConnection({ host: "127.0.0.1", port, allowHalfOpen: true }, () => {
            socket.end("ping")
          })
          socket.setEncoding("utf8").on("data", (said) => {
            heard += String(said)
          }).once("end", () => resume(Effect.succeed(heard)))
          return Effect.sync(() => socket.destroy())
        })
        assert.strictEqual(answer, "pingbye")
      }))

    it.scoped("Serial", () =>
      Effect.gen(function*() {
        const serial = yield* connect(Serial.contract, "serial")
        const console = yield* Serial.console(serial)
        yield* console.sendLine("loop")
        assert.strictEqual((yield* console.expect(/(\w+)\n/)).groups[0], "loop")
        yield* Effect.all([serial.set_dtr(true), serial.set_rts(false), serial.close()])
      }))

    it.scoped("Opendal: files", () =>
      Effect.gen(function*() {
        const storage = yield* connect(Opendal.contract, "storage")
        yield* Opendal.writeBytes(storage, "dir/image", image)
        assert.strictEqual(sha256(yield* Opendal.readBytes(storage, "dir/image")), sha256(image))
        assert.strictEqual(yield* storage.hash("dir/image"), sha256(image))
        assert.strictEqual(
          yield* storage.hash("dir/image", "md5"),
          createHash("md5").update(image).digest("hex")
        )
        yield* Opendal.writeString(storage, "dir/text", "grüße")
        assert.strictEqual(yield* Opendal.readString(storage, "dir/text"), "grüße")
        const stat = yield* storage.stat("dir/image")
        assert.strictEqual(stat.content_length, image.length)
        assert.isTrue(stat.mode.entry_is_file)
        yield* storage.copy("dir/text", "dir/copy")
        yield* storage.rename("dir/copy", "dir/renamed")
        yield* storage.create_dir("dir/empty/")
        const paths = Effect.map(Stream.runCollect(storage.scan("dir/")), (paths) => [...paths].sort())
        assert.deepStrictEqual(yield* paths, ["dir/", "dir/empty/", "dir/image", "dir/renamed", "dir/text"])
        assert.include(yield* storage.get_created_resources(), "dir/renamed")
        yield* storage.delete("dir/renamed")
        assert.isFalse(yield* storage.exists("dir/renamed"))
        assert.deepStrictEqual([...yield* Stream.runCollect(storage.list("dir"))], ["dir/"])
        yield* storage.remove_all("dir/")
        assert.isFalse(yield* storage.exists("dir/image"))
        assert.isTrue((yield* storage.capability())["write"])
      }))

    for (const { shows, what } of conduct) {
      it.scoped(`Opendal: ${what}`, () => Effect.flatMap(connect(Opendal.contract, "storage"), shows))
    }

    it.scoped("Opendal: says the same of itself as the one in memory", () =>
      Effect.gen(function*() {
        const storage = yield* connect(Opendal.contract, "storage")
        const { driver } = yield* StorageTest.make()
        const fake = Effect.flatMap(Device.connect(Opendal.contract, "storage"), (fake) => fake.capability())
        assert.deepStrictEqual(
          yield* Effect.provide(fake, ExporterTest.layer({ storage: driver })),
          yield* storage.capability()
        )
      }))

    it.scoped("Opendal: open files", () =>
      Effect.gen(function*() {
        const storage = yield* connect(Opendal.contract, "storage")
        yield* Opendal.writeString(storage, "digits", "0123456789")
        yield* Opendal.withFile(storage, "digits", "rb", (fd) =>
          Effect.gen(function*() {
            assert.strictEqual(yield* storage.file_seek(fd, 4), 4)
            assert.strictEqual(yield* storage.file_seek(fd, 2, 1), 6)
            assert.strictEqual(yield* storage.file_tell(fd), 6)
            const flags = [storage.file_readable(fd), storage.file_writable(fd), storage.file_seekable(fd)]
            assert.deepStrictEqual(yield* Effect.all(flags), [true, false, true])
            assert.isFalse(yield* storage.file_closed(fd))
          }))
        const fd = yield* storage.open("digits", "rb")
        yield* storage.file_close(fd)
        assert.isTrue(yield* storage.file_closed(fd))
        assert.strictEqual((yield* Effect.flip(storage.open("nope", "rb")))._tag, "DriverError")
        assert.strictEqual((yield* Effect.flip(storage.presign_read("digits", 60)))._tag, "DriverError")
      }))

    it.scoped("Opendal: uploads what is not there yet", () =>
      Effect.gen(function*() {
        const storage = yield* connect(Opendal.contract, "storage")
        const expected = sha256(image)
        const upload = Opendal.upload(storage, "upload", source(image))
        assert.deepStrictEqual(yield* upload, { uploaded: true, sha256: expected })
        assert.deepStrictEqual(yield* upload, { uploaded: false, sha256: expected })
      }))

    it.scoped("StorageMux", () =>
      Effect.gen(function*() {
        const mux = yield* connect(StorageMux.contract, "mux")
        yield* StorageMux.write(mux, source(image))
        assert.strictEqual(sha256(yield* StorageMux.read(mux, collect)), sha256(image))
        yield* mux.off()
      }))

    it.scoped("Flasher", () =>
      Effect.gen(function*() {
        const flasher = yield* connect(Flasher.contract, "flasher")
        yield* flasher.flash(source(image))
        yield* Flasher.flashAll(flasher, [["boot", source(utf8("boot"))], ["root", source(utf8("root"))]])
        assert.strictEqual(sha256(yield* flasher.dump(collect)), sha256(image))
        assert.strictEqual(text(yield* flasher.dump(collect, "root")), "root")
        const error = yield* Effect.flip(flasher.dump(collect, "nope"))
        assert.strictEqual(error._tag, "DriverError")
      }))

    it.scoped("says once what is wrong with a file, an argument or a method that is not there", () =>
      Effect.gen(function*() {
        const storage = yield* connect(Opendal.contract, "storage")
        const uses = [
          Effect.asVoid(storage.stat("nope")),
          Effect.asVoid(storage.hash("nope")),
          Effect.asVoid(Opendal.readBytes(storage, "nope"))
        ]
        for (const use of uses) {
          const absent = yield* Effect.flip(use)
          assert.strictEqual(absent._tag, "DriverError")
          assert.include(absent.message, "NotFound")
        }
        const { driver } = yield* ExporterConnection.ExporterConnection
        const [files, flasher, mux, serial] = yield* Effect.all([
          driver("storage"),
          driver("flasher"),
          driver("mux"),
          driver("serial")
        ])
        // The clients of the contracts send none of these.
        const refused = {
          hash: files.call("hash", "dir/image", "sha3"),
          open: files.call("open", "dir/image", "x"),
          write: mux.call("write", "no handle"),
          flash: flasher.call("flash", "no handle")
        }
        for (const [name, call] of Object.entries(refused)) {
          const error = yield* Effect.flip(call)
          assert.deepInclude(error, { _tag: "InvalidArgument", origin: "driver" }, name)
        }
        const closed = yield* Effect.flip(files.call("file_tell", "00000000-0000-0000-0000-000000000000"))
        assert.strictEqual(closed._tag, "DriverError")
        for (const path of ["power", "sync_power", "alias", "echo", "nested.inner"]) {
          const absent = yield* Effect.flip(Effect.flatMap(driver(path), (other) => other.call("explode")))
          assert.strictEqual(absent._tag, "MethodNotImplemented", path)
        }
        const missing = yield* Effect.flip(serial.call("set_dtr"))
        assert.strictEqual(missing._tag, "DriverError")
      }))
  })
})
