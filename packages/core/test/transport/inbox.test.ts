import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { Inbox } from "../../src/transport/inbox.ts"

describe("Inbox", () => {
  it.effect("keeps messages before a clean end when it is discarded", () =>
    Effect.gen(function*() {
      const inbox = new Inbox<Uint8Array, string>(1024)
      inbox.push(new Uint8Array(3))
      inbox.close(Option.none())
      inbox.discard()
      assert.strictEqual((yield* inbox.take).length, 1)
      assert.deepStrictEqual(yield* Effect.flip(inbox.take), Option.none())
    }))

  it.effect("wakes every waiting consumer, also after another one has given up", () =>
    Effect.gen(function*() {
      const inbox = new Inbox<Uint8Array, string>(1024)
      const first = yield* Effect.fork(Effect.flip(inbox.take))
      const second = yield* Effect.fork(inbox.take)
      yield* Effect.yieldNow()
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(second)
      inbox.close(Option.some("over"))
      assert.deepStrictEqual(yield* Fiber.join(first), Option.some("over"))
    }))

  it("is full when its messages keep too much memory alive, however small they are", () => {
    const inbox = new Inbox<Uint8Array, string>(64 * 1024)
    const piece = new ArrayBuffer(40 * 1024)
    assert.isUndefined(inbox.push(new Uint8Array(piece, 0, 1)))
    assert.isUndefined(inbox.push(new Uint8Array(piece, 1, 1)))
    assert.isDefined(inbox.push(new Uint8Array(new ArrayBuffer(40 * 1024), 0, 1)))
  })

  it("can be full of empty messages", () => {
    const inbox = new Inbox<Uint8Array, string>(64 * 1024)
    const piece = new ArrayBuffer(1024)
    let accepted = 0
    while (inbox.push(new Uint8Array(piece, 0, 0)) === undefined) accepted++
    assert.isBelow(accepted, 200)
  })
})
