import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Option } from "effect"
import { bracket, held } from "../../src/drivers/bracket.ts"

const setup = Effect.gen(function*() {
  const events: Array<string> = []
  const say = (event: string) => Effect.sync(() => void events.push(event))
  return { events, say }
})

describe("bracket", () => {
  it.effect("acquires, uses and releases once, in this order", () =>
    Effect.gen(function*() {
      const { events, say } = yield* setup
      const result = yield* bracket(Effect.as(say("acquire"), 7), (n) =>
        Effect.as(say(`use ${n}`), n + 1), () =>
        say("release"))
      assert.strictEqual(result, 8)
      assert.deepStrictEqual(events, ["acquire", "use 7", "release"])
    }))

  it.effect("neither uses nor releases after a failed acquisition", () =>
    Effect.gen(function*() {
      const { events, say } = yield* setup
      const error = yield* Effect.flip(bracket(Effect.fail("no"), () => say("use"), () => say("release")))
      assert.strictEqual(error, "no")
      assert.deepStrictEqual(events, [])
    }))

  it.effect("fails with the failure of the use, followed by the failure of the release", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(bracket(Effect.void, () => Effect.fail("use"), () => Effect.fail("release")))
      assert.deepStrictEqual(exit, Exit.failCause(Cause.sequential(Cause.fail("use"), Cause.fail("release"))))
      const released = yield* Effect.exit(bracket(Effect.void, () => Effect.void, () => Effect.fail("release")))
      assert.deepStrictEqual(released, Exit.fail("release"))
    }))

  it.effect("releases after a defect", () =>
    Effect.gen(function*() {
      const { events, say } = yield* setup
      const exit = yield* Effect.exit(bracket(Effect.void, () => Effect.die("bug"), () => say("release")))
      assert.deepStrictEqual(exit, Exit.die("bug"))
      assert.deepStrictEqual(events, ["release"])
    }))

  it.effect("releases once, and waits for the release, when the use is interrupted", () =>
    Effect.gen(function*() {
      const { events, say } = yield* setup
      const using = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        bracket(Effect.void, () =>
          Effect.zipRight(Deferred.succeed(using, undefined), Effect.never), () =>
          Effect.zipRight(Effect.repeatN(Effect.yieldNow(), 100), say("released")))
      )
      yield* Deferred.await(using)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.deepStrictEqual(events, ["released"])
    }))

  it.effect("releases the result of an acquisition that was interrupted", () =>
    Effect.gen(function*() {
      const { events, say } = yield* setup
      const acquiring = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<number>()
      const fiber = yield* Effect.fork(bracket(
        Effect.zipRight(Deferred.succeed(acquiring, undefined), Deferred.await(answer)),
        () => say("use"),
        (n) => say(`release ${n}`)
      ))
      yield* Deferred.await(acquiring)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      assert.deepStrictEqual(events, [])
      yield* Deferred.succeed(answer, 3)
      yield* Fiber.join(interruption)
      assert.deepStrictEqual(events, ["release 3"])
    }))

  it.effect("limits the wait for an acquisition or a release, and then interrupts it", () =>
    Effect.gen(function*() {
      const { events, say } = yield* setup
      const hang = (name: string) => Effect.onInterrupt(Effect.never, () => say(`${name} given up`))
      const acquiring = yield* Effect.fork(
        bracket(hang("acquire"), () => say("use"), () => say("release"), "20 millis")
      )
      yield* Effect.repeatN(Effect.yieldNow(), 5)
      yield* Fiber.interrupt(acquiring)
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      assert.deepStrictEqual(events, ["acquire given up"])
      const releasing = yield* Effect.fork(bracket(Effect.void, () => Effect.never, () => hang("release"), "20 millis"))
      yield* Effect.repeatN(Effect.yieldNow(), 5)
      yield* Fiber.interrupt(releasing)
      assert.deepStrictEqual(events, ["acquire given up", "release given up"])
    }))
})

describe("held", () => {
  it.effect("releases the result of an acquisition that was interrupted", () =>
    Effect.gen(function*() {
      const { events, say } = yield* setup
      const acquiring = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<number>()
      const fiber = yield* Effect.fork(Effect.scoped(held(
        "a number",
        Effect.zipRight(Deferred.succeed(acquiring, undefined), Deferred.await(answer)),
        (n) => say(`release ${n}`)
      )))
      yield* Deferred.await(acquiring)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      yield* Deferred.succeed(answer, 3)
      yield* Fiber.join(interruption)
      assert.deepStrictEqual(events, ["release 3"])
    }))

  it.live("limits the wait for an acquisition that was interrupted", () =>
    Effect.gen(function*() {
      const { events, say } = yield* setup
      const never = Effect.onInterrupt(Effect.never, () => say("given up"))
      const ended = yield* Effect.scoped(held("a power supply", never, () => say("release"), "20 millis")).pipe(
        Effect.timeout("20 millis"),
        Effect.flip,
        Effect.disconnect,
        Effect.timeoutOption("5 seconds")
      )
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      assert.isTrue(Option.isSome(ended), "the interruption hangs")
      assert.deepStrictEqual(events, ["given up"])
    }))
})
