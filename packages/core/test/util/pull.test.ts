import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Option, Stream } from "effect"
import * as pull from "../../src/util/pull.ts"

class Failure extends Error {}

// Returns the steps one after another, and counts how many were pulled.
const make = <A>(...steps: ReadonlyArray<Effect.Effect<A, Option.Option<Failure>>>) => {
  const state = { pulled: 0 }
  return {
    state,
    next: Effect.suspend(() => steps[state.pulled++] ?? Effect.dieMessage("pulled after the end"))
  }
}

const end = Effect.fail(Option.none())

describe("pull", () => {
  it.effect("values is a stream of them, and ends with the pull", () =>
    Effect.gen(function*() {
      const { next, state } = make(Effect.succeed(1), Effect.succeed(2), end)
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(pull.values(next))), [1, 2])
      assert.strictEqual(state.pulled, 3)
    }))

  it.effect("chunks is a stream of what they hold, and emits them as they are", () =>
    Effect.gen(function*() {
      const chunks = [Chunk.make(1, 2), Chunk.empty<number>(), Chunk.make(3)]
      const { next } = make<Chunk.Chunk<number>>(...chunks.map((chunk) => Effect.succeed(chunk)), end)
      const emitted = yield* Stream.runCollect(Stream.chunks(pull.chunks(next)))
      assert.deepStrictEqual(Chunk.toReadonlyArray(emitted), chunks)
    }))

  it.effect("values fails as the pull does, after what came before", () =>
    Effect.gen(function*() {
      const failure = new Failure()
      const seen: Array<number> = []
      const { next } = make(Effect.succeed(1), Effect.fail(Option.some(failure)))
      const exit = yield* Effect.exit(
        Stream.runForEach(pull.values(next), (value) => Effect.sync(() => seen.push(value)))
      )
      assert.deepStrictEqual(exit, Exit.fail(failure))
      assert.deepStrictEqual(seen, [1])
    }))

  it.effect("values pulls no more than is taken", () =>
    Effect.gen(function*() {
      const { next, state } = make(Effect.succeed(1), Effect.succeed(2), Effect.succeed(3), end)
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.take(pull.values(next), 2))), [1, 2])
      assert.strictEqual(state.pulled, 2)
    }))

  it.effect("a stream of a pull goes on where another one stopped", () =>
    Effect.gen(function*() {
      const { next } = make(Effect.succeed(1), Effect.succeed(2), end)
      const values = pull.values(next)
      assert.deepStrictEqual(yield* Stream.runHead(values), Option.some(1))
      assert.deepStrictEqual(yield* Stream.runHead(values), Option.some(2))
      assert.deepStrictEqual(yield* Stream.runHead(values), Option.none())
    }))

  it.effect("a long stream does not grow the stack", () =>
    Effect.gen(function*() {
      let left = 20_000
      const next = Effect.suspend(() => left-- > 0 ? Effect.succeed(1) : end)
      assert.strictEqual(yield* Stream.runSum(pull.values(next)), 20_000)
    }))
})
