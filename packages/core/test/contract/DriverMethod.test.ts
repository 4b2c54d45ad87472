import { DriverMethod } from "@effect-jumpstarter/core"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"

describe("DriverMethod.effectOf", () => {
  it("answers what the description says", () => {
    for (const effect of ["read", "write", "destructive"] as const) {
      assert.strictEqual(DriverMethod.effectOf(DriverMethod.call({ effect })), effect)
      assert.strictEqual(DriverMethod.effectOf(DriverMethod.streamingCall({ item: Schema.String, effect })), effect)
    }
  })

  it("answers write when the description says nothing, and for every byte stream", () => {
    assert.strictEqual(DriverMethod.effectOf(DriverMethod.call()), "write")
    assert.strictEqual(DriverMethod.effectOf(DriverMethod.streamingCall({ item: Schema.String })), "write")
    assert.strictEqual(DriverMethod.effectOf(DriverMethod.stream()), "write")
  })
})

describe("the guards of DriverMethod", () => {
  it("tell the kinds of arguments apart", () => {
    const kinds = [Schema.String, DriverMethod.optional(Schema.String), DriverMethod.source, DriverMethod.sink]
    const told = kinds.map((argument) =>
      [DriverMethod.isOptional, DriverMethod.isSource, DriverMethod.isSink, DriverMethod.isLent].map((is) =>
        is(argument)
      )
    )
    assert.deepStrictEqual(told, [
      [false, false, false, false],
      [true, false, false, false],
      [false, true, false, true],
      [false, false, true, true]
    ])
  })
})
