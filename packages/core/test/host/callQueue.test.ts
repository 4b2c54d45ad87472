import { assert, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import * as callQueue from "../../src/host/callQueue.ts"

it.effect("keeps the order of arrival, even for an operation that comes as a turn ends", () =>
  Effect.gen(function*() {
    const events: Array<string> = []
    const { enter: turn } = callQueue.make(1, 10)
    const enter = (name: string, scope: Scope.Scope) =>
      Effect.zipRight(Scope.extend(turn, scope), Effect.sync(() => void events.push(name)))
    const [a, b, c] = yield* Effect.all([Scope.make(), Scope.make(), Scope.make()])
    yield* enter("a", a)
    yield* Effect.fork(enter("b", b))
    yield* Effect.yieldNow()
    yield* Effect.fork(Effect.zipRight(Scope.close(a, Exit.void), enter("c", c)))
    yield* Effect.repeatN(Effect.yieldNow(), 20)
    assert.deepStrictEqual(events, ["a", "b"])
    yield* Scope.close(b, Exit.void)
    yield* Effect.repeatN(Effect.yieldNow(), 20)
    assert.deepStrictEqual(events, ["a", "b", "c"])
  }))
