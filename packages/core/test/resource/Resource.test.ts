// The outcomes of a stalled transfer, of a dump into a file, and of an encoding without a codec.
import {
  Driver,
  Exporter,
  ExporterConnection,
  GrpcChannel,
  Metadata,
  ProgressBar,
  Resource
} from "@effect-jumpstarter/core"
import { GrpcHandler, type GrpcHandlers } from "@effect-jumpstarter/core/GrpcHandler"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Option, Schedule, type Scope, Sink, Stream, TestClock } from "effect"
import { Module } from "node:module"
import { gzipSync } from "node:zlib"
import { concat, text, utf8 } from "../support/bytes.ts"
import { leavingNothing } from "../support/leaks.ts"

/** A driver that uses a resource in a different way in each method, and the outcomes of its calls. */
const makeDevice = Effect.sync(() => {
  const ends: Array<"answered" | "cancelled"> = []
  const call = (use: (resource: Resource.DriverResource) => Effect.Effect<void>) =>
    Driver.call(([handle], { resource }) =>
      Effect.flatMap(resource(handle), use).pipe(
        Effect.scoped,
        Effect.onExit((exit) => Effect.sync(() => ends.push(Exit.isSuccess(exit) ? "answered" : "cancelled")))
      )
    )
  const driver = Driver.make({
    client: "device",
    methods: {
      hang: call(() => Effect.never),
      read: call(({ read }) => Effect.ignore(Stream.runDrain(read))),
      readOnce: call(({ read }) => Effect.ignore(Stream.runForEach(read, () => Effect.never))),
      write: call(({ write }) => Effect.ignore(write(Stream.make(utf8("12345"))))),
      writeOnce: call(({ write }) => Effect.ignore(write(Stream.concat(Stream.make(utf8("12345")), Stream.never))))
    }
  })
  return { driver, ends }
})

const use = <A, E, R>(method: string, resource: Resource.Resource<A, E, R>) =>
  Effect.gen(function*() {
    const client = yield* ExporterConnection.driver("device")
    return yield* client.call(method, yield* client.resource(resource))
  }).pipe(Effect.scoped)

const on = ({ driver }: { readonly driver: Driver.Driver }) => Effect.provide(ExporterTest.layer({ device: driver }))

const mebibyte = 1024 * 1024

const pausing = Stream.concat(Stream.make(utf8("123")), Stream.never)

const idleTimeout = Duration.seconds(3)

const stalled = (bytes: number, total?: number) =>
  new Resource.TransferStalled({ idleTimeout, bytes, total: Option.fromNullable(total) })

describe("an idle timeout", () => {
  const ends = <A, E>(
    name: string,
    method: string,
    resource: Resource.Resource<A, E | Resource.TransferStalled, never>,
    expected: { readonly bytes: number; readonly call: "answered" | "cancelled" }
  ) =>
    it.effect(`ends a transfer with ${name}`, () =>
      Effect.gen(function*() {
        const device = yield* makeDevice
        const calling = yield* Effect.fork(Effect.exit(use(method, resource).pipe(on(device))))
        yield* TestClock.adjust("2900 millis")
        assert.isNull(calling.unsafePoll())
        yield* TestClock.adjust("200 millis")
        const total = resource._tag === "Source" ? Option.getOrUndefined(resource.size) : undefined
        assert.deepStrictEqual(yield* Fiber.join(calling), Exit.fail(stalled(expected.bytes, total)))
        assert.deepStrictEqual(device.ends, [expected.call])
      }))

  const source = <E>(stream: Stream.Stream<Uint8Array, E>, size: number) =>
    Resource.withIdleTimeout(Resource.source(stream, { size }), idleTimeout)
  const sink = <A, E>(sink: Sink.Sink<A, Uint8Array, unknown, E>) =>
    Resource.withIdleTimeout(Resource.sink(sink), idleTimeout)

  ends("a driver that does not read", "hang", source(Stream.empty, 0), { bytes: 0, call: "cancelled" })
  ends("a driver that does not write", "hang", sink(Sink.drain), { bytes: 0, call: "cancelled" })
  ends("a driver that stops writing", "writeOnce", sink(Sink.drain), { bytes: 5, call: "cancelled" })
  ends("a source that has no more to give", "read", source(pausing, 10), { bytes: 3, call: "cancelled" })
  ends("a sink that takes no more", "write", sink(Sink.forEach(() => Effect.never)), { bytes: 5, call: "answered" })

  it.effect("ends a transfer with a driver that stops reading, in the middle of a chunk", () =>
    Effect.gen(function*() {
      const device = yield* makeDevice
      const whole = source(Stream.make(new Uint8Array(64 * mebibyte)), 64 * mebibyte)
      const calling = yield* Effect.fork(Effect.flip(use("readOnce", whole).pipe(on(device))))
      yield* TestClock.adjust("3100 millis")
      const error = yield* Fiber.join(calling)
      if (error._tag !== "TransferStalled") return assert.fail(error.message)
      assert.isAbove(error.bytes, 0)
      assert.isBelow(error.bytes, 64 * mebibyte)
      assert.deepStrictEqual(device.ends, ["cancelled"])
    }))

  it.effect("starts over with every byte", () =>
    Effect.gen(function*() {
      const device = yield* makeDevice
      const slow = Stream.tap(Stream.make(utf8("1"), utf8("2"), utf8("3")), () => Effect.sleep("2900 millis"))
      const calling = yield* Effect.fork(use("read", source(slow, 3)).pipe(on(device)))
      yield* TestClock.adjust("9 seconds")
      yield* Fiber.join(calling)
      assert.deepStrictEqual(device.ends, ["answered"])
    }))

  it.effect("releases the source at once, although the resource is still open", () =>
    Effect.gen(function*() {
      const device = yield* makeDevice
      yield* Effect.gen(function*() {
        const released = yield* Deferred.make<void>()
        const held = Stream.ensuring(pausing, Deferred.succeed(released, undefined))
        const client = yield* ExporterConnection.driver("device")
        const handle = yield* client.resource(source(held, 10))
        yield* TestClock.adjust("3100 millis")
        assert.deepStrictEqual(yield* Effect.flip(handle.result), stalled(3, 10))
        yield* Deferred.await(released)
        assert.deepStrictEqual(yield* Effect.flip(client.call("read", handle)), stalled(3, 10))
      }).pipe(Effect.scoped, on(device))
    }))

  it.live("leaves no timers or fibers behind", () =>
    leavingNothing(Effect.gen(function*() {
      const device = yield* makeDevice
      const brief = Duration.millis(100)
      for (
        const calling of [
          use("readOnce", Resource.withIdleTimeout(Resource.source(Stream.make(new Uint8Array(64 * mebibyte))), brief)),
          use("writeOnce", Resource.withIdleTimeout(Resource.sink(Sink.drain), brief))
        ]
      ) {
        const error = yield* Effect.flip(calling.pipe(on(device)))
        assert.strictEqual(error._tag, "TransferStalled")
      }
    })))

  it("has an error with all the numbers", () => {
    assert.strictEqual(
      stalled(5, 10).message,
      "the transfer stalled after 5 of 10 bytes: no byte moved for 3s (Resource.withIdleTimeout)"
    )
    assert.strictEqual(
      stalled(5).message,
      "the transfer stalled after 5 bytes: no byte moved for 3s (Resource.withIdleTimeout)"
    )
  })
})

describe("an observer", () => {
  it.effect("that fails also fails the transfer, even when all bytes have moved", () =>
    Effect.gen(function*() {
      const device = yield* makeDevice
      const early = Resource.withProgress(Resource.source(pausing), () => Effect.fail("early" as const))
      const late = Resource.withProgress(
        Resource.source(Stream.make(utf8("123"))),
        (progress) => Effect.zipRight(Stream.runDrain(progress), Effect.fail("late" as const))
      )
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* Effect.flip(use("read", early)), "early")
        assert.strictEqual(yield* Effect.flip(use("read", late)), "late")
      }).pipe(on(device))
    }))
})

describe("bytes in memory", () => {
  const content = (bytes: Stream.Stream<Uint8Array>) => Effect.map(Stream.runCollect(bytes), (all) => text(concat(all)))

  it.effect("have their size, and take options", () =>
    Effect.gen(function*() {
      const bytes = Resource.fromBytes(utf8("firm"), { contentEncoding: "gzip", name: "firm.gz" })
      assert.deepStrictEqual([bytes.size, bytes.contentEncoding, bytes.name], [
        Option.some(4),
        Option.some("gzip"),
        "firm.gz"
      ])
      assert.strictEqual(yield* content(bytes.stream), "firm")
      const umlaut = Resource.fromString("über")
      assert.deepStrictEqual(umlaut.size, Option.some(5))
      assert.strictEqual(yield* content(umlaut.stream), "über")
      assert.deepStrictEqual(Resource.fromString("").size, Option.some(0))
    }))

  const dump = <A, E>(sink: Resource.Sink<A, E, never>) =>
    Effect.gen(function*() {
      const client = yield* ExporterConnection.driver("device")
      const handle = yield* client.resource(sink)
      yield* client.call("write", handle)
      return yield* handle.result
    }).pipe(Effect.scoped)

  it.effect("are the bytes that a driver has written", () =>
    Effect.gen(function*() {
      const device = yield* makeDevice
      assert.strictEqual(text(yield* dump(Resource.toBytes()).pipe(on(device))), "12345")
      assert.strictEqual(text(yield* dump(Resource.toBytes({ limit: 5, size: 5 })).pipe(on(device))), "12345")
    }))

  it.effect("are limited", () =>
    Effect.gen(function*() {
      const device = yield* makeDevice
      const error = yield* Effect.flip(dump(Resource.toBytes({ limit: 4 })).pipe(on(device)))
      assert.instanceOf(error, Resource.TransferTooLarge)
      assert.strictEqual(
        error.message,
        "the transfer has more than 4 bytes (limit of Resource.toBytes); raise the limit, or use Resource.toFile"
      )
    }))

  it.effect("stay separate when a sink is used twice", () =>
    Effect.gen(function*() {
      const { sink } = Resource.toBytes()
      const run = (piece: string) => Effect.map(Stream.run(Stream.make(utf8(piece), utf8(piece)), sink), text)
      assert.deepStrictEqual(yield* Effect.all([run("a"), run("b")]), ["aa", "bb"])
    }))
})

describe("a resource in a pipe", () => {
  it.effect("works the same in a pipe and data-first", () =>
    Effect.gen(function*() {
      const device = yield* makeDevice
      const seen: Array<string> = []
      const observe = (name: string) => (progress: Stream.Stream<Resource.TransferProgress>) =>
        Stream.runForEach(progress, ({ bytes, done }) => Effect.sync(() => done && seen.push(`${name} ${bytes}`)))
      const image = Resource.fromString("123").pipe(
        Resource.withIdleTimeout("1 minute"),
        Resource.withProgress(observe("last"))
      )
      yield* use("read", image).pipe(on(device))
      yield* use("read", Resource.withProgress(image, observe("first"))).pipe(on(device))
      assert.deepStrictEqual(seen.sort(), ["first 3", "last 3", "last 3"])
    }))

  it.effect("keeps the limit of each step", () =>
    Effect.gen(function*() {
      const device = yield* makeDevice
      const sink = Resource.sink(Sink.drain).pipe(Resource.withIdleTimeout(idleTimeout), ProgressBar.show())
      const calling = yield* Effect.fork(Effect.flip(use("writeOnce", sink).pipe(on(device))))
      yield* TestClock.adjust("3100 millis")
      assert.deepStrictEqual(yield* Fiber.join(calling), stalled(5))
    }))

  it("is distinguished from other values", () => {
    assert.isTrue(Resource.isResource(Resource.fromBytes(new Uint8Array()).pipe(Resource.withIdleTimeout("1 second"))))
    assert.isTrue(Resource.isResource(Resource.toBytes()))
    for (const other of [undefined, null, "Source", { _tag: "Source" }, Resource.presigned("https://a/b")]) {
      assert.isFalse(Resource.isResource(other))
    }
  })
})

describe("fromFile", () => {
  it.effect("refuses a directory, and has no size for a device", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Resource.fromFile("/"))
      assert.include(error.message, "(/): it is a directory")
      assert.deepStrictEqual((yield* Resource.fromFile("/dev/null")).size, Option.none())
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})

describe("toFile", () => {
  const temporary = Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const path = `${yield* fileSystem.makeTempDirectoryScoped()}/dump.img`
    return { content: fileSystem.readFileString(path), fileSystem, path }
  })

  const test = <A, E>(
    name: string,
    body: Effect.Effect<A, E, ExporterConnection.ExporterConnection | FileSystem.FileSystem | Scope.Scope>
  ) =>
    it.scopedLive(
      name,
      () =>
        Effect.flatMap(makeDevice, ({ driver }) =>
          Effect.provide(body, [ExporterTest.layer({ device: driver }), NodeFileSystem.layer]))
    )

  test(
    "replaces the file",
    Effect.gen(function*() {
      const { content, fileSystem, path } = yield* temporary
      yield* fileSystem.writeFileString(path, "something longer")
      yield* use("write", yield* Resource.toFile(path))
      assert.strictEqual(yield* content, "12345")
    })
  )

  test(
    "leaves the bytes that had arrived when the dump is interrupted",
    Effect.gen(function*() {
      const { content, fileSystem, path } = yield* temporary
      yield* fileSystem.writeFileString(path, "something longer")
      const calling = yield* Effect.fork(use("writeOnce", yield* Resource.toFile(path)))
      yield* Effect.repeat(content, { schedule: Schedule.spaced("2 millis"), until: (text) => text === "12345" })
      yield* Fiber.interrupt(calling)
      assert.strictEqual(yield* content, "12345")
    })
  )

  test(
    "fails the call when the file cannot be written",
    Effect.gen(function*() {
      const { path } = yield* temporary
      const error = yield* Effect.flip(use("write", yield* Resource.toFile(`${path}/nowhere`)))
      assert.strictEqual(error._tag, "SystemError")
    })
  )
})

describe("an exporter that does not say what it accepts", () => {
  // The exporter knows no encodings: the client requests none, and the exporter takes the bytes as they are (protocol.md
  // 6.3).
  const withoutEncodings = (handlers: GrpcHandlers): GrpcHandlers =>
    new Map(Array.from(handlers, ([name, handler]): [string, GrpcHandler] => [
      name,
      handler._tag !== "Duplex" ? handler : GrpcHandler.Duplex({
        handle: (duplex) =>
          handler.handle({
            ...duplex,
            metadata: Metadata.make(
              Array.from(duplex.metadata.entries, ([key, value]) => [key, value.replace("\"gzip\"", "null")] as const)
            ),
            sendInitialMetadata: ({ entries }) =>
              duplex.sendInitialMetadata(
                Metadata.make(Array.from(entries).filter(([key]) => key !== "x_jmp_accept_encoding"))
              )
          })
      })
    ]))

  const flash = (content: Uint8Array) =>
    Effect.gen(function*() {
      const received: Array<Uint8Array> = []
      const keep = Driver.call(([handle], { resource }) =>
        Effect.scoped(Effect.flatMap(resource(handle), ({ read }) =>
          Stream.runForEach(read, (chunk) =>
            Effect.sync(() => void received.push(chunk)))))
      )
      const exporter = yield* Exporter.make(Driver.make({ client: "device", methods: { keep } }))
      const channel = yield* GrpcChannel.fromHandlers(withoutEncodings(exporter.handlers))
      const { root } = yield* ExporterConnection.fromChannel(channel)
      const image = yield* root.resource(Resource.source(Stream.make(content), { contentEncoding: "gzip" }))
      yield* root.call("keep", image)
      return text(concat(received))
    }).pipe(Effect.scoped)

  it.live("is sent the decoded bytes", () =>
    Effect.map(flash(gzipSync("firmware")), (received) => assert.strictEqual(received, "firmware")))

  // The driver may have received a part of the image, so this error does not say that nothing was sent.
  it.live("fails with UnexpectedResult when a source cannot be decoded after a part of it was sent", () =>
    Effect.gen(function*() {
      const content = Uint8Array.from({ length: 1_000_000 }, (_, index) => index * index)
      const encoded = gzipSync(content)
      const error = yield* Effect.flip(flash(encoded.subarray(0, encoded.length - 4)))
      assert.deepStrictEqual([error._tag, "origin" in error ? error.origin : ""], ["UnexpectedResult", "client"])
      assert.match(
        error.message,
        /: the source could not be decoded after \d+ bytes of its content were sent: gzip data ends too early: unexpected end of file$/
      )
    }))

  it.live("is not sent bytes that cannot be decoded", () =>
    Effect.map(Effect.flip(flash(utf8("firmware"))), (error) => {
      assert.deepStrictEqual([error._tag, "origin" in error ? error.origin : ""], ["InvalidArgument", "client"])
      assert.include(error.message, "gzip data is corrupt")
    }))
})

describe("an exporter without the codec of an encoding", () => {
  // The packages of codecs can be optional dependencies.
  const without = (name: string) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const resolve: unknown = Reflect.get(Module, "_resolveFilename")
        if (typeof resolve !== "function") throw new Error("Node resolves modules in another way")
        Reflect.set(Module, "_resolveFilename", (request: string, ...rest: ReadonlyArray<unknown>): unknown => {
          if (request.startsWith(name)) throw new Error(`Cannot find module '${request}'`)
          return Reflect.apply(resolve, Module, [request, ...rest])
        })
        return resolve
      }),
      (resolve) => Effect.sync(() => Reflect.set(Module, "_resolveFilename", resolve))
    )

  it.scoped("refuses it when the resource is opened, and accepts the others", () =>
    Effect.gen(function*() {
      const device = yield* makeDevice
      yield* without("node-liblzma")
      yield* Effect.gen(function*() {
        const client = yield* ExporterConnection.driver("device")
        const open = (contentEncoding: "gzip" | "xz" | "bz2" | "zstd") =>
          client.resource(Resource.source(Stream.never, { contentEncoding }))
        const error = yield* Effect.flip(open("xz"))
        assert.deepStrictEqual([error._tag, error.origin], ["InvalidArgument", "driver"])
        assert.include(error.message, "unsupported content encoding \"xz\": no codec is installed")
        for (const encoding of ["gzip", "bz2", "zstd"] as const) yield* open(encoding)
      }).pipe(Effect.scoped, on(device))
    }))
})
