import { Resource } from "@effect-jumpstarter/core"
import { StorageMux } from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Sink, Stream } from "effect"
import { concat, text, utf8 } from "../support/bytes.ts"
import { type Answer, broken, connect, nothing, recording } from "./support.ts"

const mux = (answers: Readonly<Record<string, Answer>>) => {
  const host = recording("jumpstarter_driver_opendal.client.StorageMuxFlasherClient", {
    host: nothing,
    dut: nothing,
    off: nothing,
    ...answers
  })
  return Effect.map(connect(StorageMux.contract, host.driver), (client) => ({ calls: host.calls, client }))
}

const image = Resource.source(Stream.make(utf8("boot"), utf8("able")))

const collect = Resource.sink(Sink.map(Sink.collectAll<Uint8Array>(), (chunks) => text(concat(chunks))))

describe("StorageMux", () => {
  it.scoped("calls host, write and dut in this order", () =>
    Effect.gen(function*() {
      const written: Array<Uint8Array> = []
      const { calls, client } = yield* mux({ write: { read: (bytes) => Effect.sync(() => void written.push(bytes)) } })
      yield* StorageMux.write(client, image)
      assert.deepStrictEqual(calls, [["host"], ["write", "handle"], ["dut"]])
      assert.strictEqual(text(concat(written)), "bootable")
    }))

  it.scoped("calls host, read and dut in this order, and returns the target's result", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* mux({ read: { write: Stream.make(utf8("boot"), utf8("ed")) } })
      assert.strictEqual(yield* StorageMux.read(client, collect), "booted")
      assert.deepStrictEqual(calls, [["host"], ["read", "handle"], ["dut"]])
    }))

  it.scoped("calls dut after a failure of the driver", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* mux({ write: { run: broken } })
      const error = yield* Effect.flip(StorageMux.write(client, image))
      assert.include(error.message, "device.write failed")
      assert.deepStrictEqual(calls, [["host"], ["write", "handle"], ["dut"]])
    }))

  it.scoped("calls dut after a failure of the source", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* mux({ write: { read: () => Effect.void } })
      const source = Resource.source(Stream.concat(Stream.make(utf8("boot")), Stream.fail("no more" as const)))
      assert.strictEqual(yield* Effect.flip(StorageMux.write(client, source)), "no more")
      assert.deepStrictEqual(calls.at(-1), ["dut"])
    }))

  it.scoped("calls dut when host fails, because the storage may be on either side", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* mux({ host: { run: broken }, write: { read: () => Effect.void } })
      assert.include((yield* Effect.flip(StorageMux.write(client, image))).message, "device.host failed")
      assert.deepStrictEqual(calls, [["host"], ["dut"]])
    }))

  it.scoped("calls dut once, before an interruption completes", () =>
    Effect.gen(function*() {
      const writing = yield* Deferred.make<void>()
      const { calls, client } = yield* mux({
        write: { read: () => Effect.zipRight(Deferred.succeed(writing, undefined), Effect.never) }
      })
      const fiber = yield* Effect.fork(StorageMux.write(client, image))
      yield* Deferred.await(writing)
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
      assert.deepStrictEqual(calls, [["host"], ["write", "handle"], ["dut"]])
    }))

  it.scoped("calls dut when it is interrupted during host", () =>
    Effect.gen(function*() {
      const switching = yield* Deferred.make<void>()
      const { calls, client } = yield* mux({
        host: { run: Effect.zipRight(Deferred.succeed(switching, undefined), Effect.never) }
      })
      const fiber = yield* Effect.fork(StorageMux.write(client, image))
      yield* Deferred.await(switching)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(calls, [["host"], ["dut"]])
    }))

  it.scoped("fails when dut fails", () =>
    Effect.gen(function*() {
      const { client } = yield* mux({ dut: { run: broken }, write: { read: () => Effect.void } })
      assert.include((yield* Effect.flip(StorageMux.write(client, image))).message, "device.dut failed")
    }))

  it.scoped("keeps the storage on the host while an effect runs", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* mux({ read: { write: Stream.make(utf8("x")) } })
      const result = yield* StorageMux.onHost(client, Effect.sync(() => calls.length))
      assert.strictEqual(result, 1)
      assert.deepStrictEqual(calls, [["host"], ["dut"]])
    }))
})
