// Scopes that are closed in the middle of a fiber.
import { it } from "@effect/vitest"
import { assertTrue, deepStrictEqual } from "@effect/vitest/utils"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { closeScope } from "../../src/util/closeScope.ts"

it.effect("a fiber that is interrupted while it closes a scope waits for the finalizers, and ends", () =>
  Effect.gen(function*() {
    const events: Array<string> = []
    const note = (event: string) => Effect.sync(() => void events.push(event))
    const closing = yield* Deferred.make<void>()
    const release = yield* Deferred.make<void>()
    const slow = Effect.zipRight(Deferred.succeed(closing, undefined), Deferred.await(release))
    const fiber = yield* Effect.fork(Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Scope.extend(Effect.addFinalizer(() => Effect.zipRight(slow, note("slow"))), scope)
      yield* Scope.extend(Effect.addFinalizer(() => note("quick")), scope)
      yield* closeScope(scope, Exit.void)
      yield* Effect.yieldNow()
      yield* note("went on")
    }))
    yield* Deferred.await(closing)
    const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
    yield* Effect.repeatN(Effect.yieldNow(), 20)
    yield* Deferred.succeed(release, undefined)
    assertTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
    deepStrictEqual(events, ["quick", "slow"])
  }))
