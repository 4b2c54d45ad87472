import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Either, Exit, Stream } from "effect"
import { mapItems } from "../../src/util/mapItems.ts"

const positive = (item: number, index: number) =>
  item > 0 ? Either.right(`${index}: ${item}`) : Either.left(`${item} is not positive`)

const run = <E>(items: Stream.Stream<number, E>) =>
  Effect.gen(function*() {
    const seen: Array<ReadonlyArray<string>> = []
    const exit = yield* Effect.exit(
      Stream.runForEachChunk(mapItems(items, positive), (chunk) =>
        Effect.sync(() => {
          if (chunk.length > 0) seen.push(Chunk.toReadonlyArray(chunk))
        }))
    )
    return { exit, seen }
  })

describe("mapItems", () => {
  it.effect("keeps chunks, and numbers items across them", () =>
    Effect.gen(function*() {
      const items = Stream.fromChunks(Chunk.make(5, 6), Chunk.make(7))
      assert.deepStrictEqual(yield* run(items), { exit: Exit.void, seen: [["0: 5", "1: 6"], ["2: 7"]] })
    }))

  it.effect("emits the items before a failing one, even of the same chunk", () =>
    Effect.gen(function*() {
      const items = Stream.fromChunks(Chunk.make(5), Chunk.make(6, 7, -1, 8), Chunk.make(9))
      assert.deepStrictEqual(yield* run(items), {
        exit: Exit.fail("-1 is not positive"),
        seen: [["0: 5"], ["1: 6", "2: 7"]]
      })
    }))

  it.effect("fails when the stream fails, and starts again when it is run again", () =>
    Effect.gen(function*() {
      const items = mapItems(Stream.concat(Stream.make(5), Stream.fail("broken")), positive)
      const once = Effect.either(Stream.runForEach(items, (item) => Effect.sync(() => seen.push(item))))
      const seen: Array<string> = []
      assert.deepStrictEqual(yield* once, Either.left("broken"))
      yield* once
      assert.deepStrictEqual(seen, ["0: 5", "0: 5"])
    }))
})
