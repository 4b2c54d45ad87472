import { assert, layer } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { bench } from "../src/bench.ts"
import { BoardPower, boot, kernelRelease } from "../src/board.ts"

// A board does not wait for a test clock, so the tests have the real one.
layer(bench, { excludeTestServices: true, timeout: "30 seconds" })("the board", (it) => {
  it.scoped("boots Linux 6", () =>
    Effect.gen(function*() {
      assert.match(yield* kernelRelease, /^6\./)
    }))

  it.scoped("draws power while it runs", () =>
    Effect.gen(function*() {
      yield* boot
      const power = yield* BoardPower
      const reading = yield* power.read().pipe(Stream.filter(({ voltage }) => voltage > 0), Stream.runHead)
      assert.isTrue(Option.isSome(reading))
    }))
})
