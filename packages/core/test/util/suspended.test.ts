import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import * as suspended from "../../src/util/suspended.ts"

class Failure extends Error {}

// Suspends a fiber, and tells what happens to it.
const make = () => {
  const events: Array<string> = []
  let resumed: (effect: Effect.Effect<string, Failure>) => void = () => assert.fail("resumed before it was suspended")
  const effect = suspended.until<string, Failure>((resume) => {
    events.push("suspended")
    resumed = resume
    return Effect.sync(() => events.push("cancelled"))
  })
  return { effect, events, resume: (effect: Effect.Effect<string, Failure>) => resumed(effect) }
}

describe("suspended", () => {
  it.effect("resumes with a value, and cancels nothing", () =>
    Effect.gen(function*() {
      const { effect, events, resume } = make()
      const fiber = yield* Effect.fork(effect)
      yield* Effect.yieldNow()
      resume(Effect.succeed("value"))
      resume(Effect.succeed("another"))
      assert.strictEqual(yield* Fiber.join(fiber), "value")
      assert.deepStrictEqual(events, ["suspended"])
    }))

  it.effect("resumes with a failure, and cancels nothing", () =>
    Effect.gen(function*() {
      const { effect, events, resume } = make()
      const failure = new Failure()
      const fiber = yield* Effect.fork(effect)
      yield* Effect.yieldNow()
      resume(Effect.fail(failure))
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.fail(failure))
      assert.deepStrictEqual(events, ["suspended"])
    }))

  it.effect("resumes within the registration", () =>
    Effect.gen(function*() {
      const answer = yield* suspended.until<string>((resume) => resume(Effect.succeed("at once")))
      assert.strictEqual(answer, "at once")
    }))

  it.effect("cancels once when the fiber is interrupted, and ends with the interruption", () =>
    Effect.gen(function*() {
      const { effect, events, resume } = make()
      const fiber = yield* Effect.fork(effect)
      yield* Effect.yieldNow()
      const exit = yield* Fiber.interrupt(fiber)
      resume(Effect.succeed("too late"))
      assert.isTrue(Exit.isInterrupted(exit))
      assert.deepStrictEqual(events, ["suspended", "cancelled"])
    }))

  it.effect("waits to the end where the fiber is uninterruptible", () =>
    Effect.gen(function*() {
      const { effect, events, resume } = make()
      const fiber = yield* Effect.fork(Effect.uninterruptible(effect))
      yield* Effect.yieldNow()
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      assert.isNull(fiber.unsafePoll())
      resume(Effect.succeed("value"))
      yield* Fiber.join(interruption)
      assert.deepStrictEqual(events, ["suspended"])
    }))

  it.effect("keeps a defect of the registration", () =>
    Effect.gen(function*() {
      const defect = new Error("a defect")
      const exit = yield* Effect.exit(suspended.until<string>(() => {
        throw defect
      }))
      assert.deepStrictEqual(exit, Exit.failCause(Cause.die(defect)))
    }))

  it.effect("is suspended anew each time it runs", () =>
    Effect.gen(function*() {
      const { effect, events, resume } = make()
      for (const value of ["one", "two"]) {
        const fiber = yield* Effect.fork(effect)
        yield* Effect.yieldNow()
        resume(Effect.succeed(value))
        assert.strictEqual(yield* Fiber.join(fiber), value)
      }
      assert.deepStrictEqual(events, ["suspended", "suspended"])
    }))
})
