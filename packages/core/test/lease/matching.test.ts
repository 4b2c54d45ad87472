import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as matching from "../../src/lease/matching.ts"

const candidates = (record: Record<string, ReadonlyArray<string>>): matching.Candidates =>
  new Map(Object.entries(record).map(([key, names]) => [key, new Set(names)]))

describe("candidates", () => {
  it("are enough when each lease can have one of its own", () => {
    deepStrictEqual(matching.shortages(candidates({})), [])
    deepStrictEqual(matching.shortages(candidates({ a: ["1"], b: ["2"] })), [])
    // Whoever is first has to leave the exporter that the next one needs.
    deepStrictEqual(matching.shortages(candidates({ a: ["1", "2"], b: ["1", "3"], c: ["1"] })), [])
  })

  it("are too few for a lease that has none, and for leases that share them", () => {
    deepStrictEqual(matching.shortages(candidates({ a: ["1"], b: [] })), [["b"]])
    deepStrictEqual(matching.shortages(candidates({ a: ["1"], b: ["1"], c: ["2"] })), [["a", "b"]])
    deepStrictEqual(matching.shortages(candidates({ a: ["1", "2"], b: ["1", "2"], c: ["1", "2"], d: [] })), [
      ["b", "a", "c"],
      ["d"]
    ])
  })

  it("are harmless to the others, or not", () => {
    const equal = candidates({ a: ["1", "2"], b: ["1", "2"] })
    deepStrictEqual(matching.harmless(equal, "a"), ["1", "2"])
    const within = candidates({ a: ["1", "2", "3"], b: ["2"] })
    deepStrictEqual(matching.harmless(within, "a"), ["1", "3"])
    deepStrictEqual(matching.harmless(within, "b"), ["2"])
    const crossed = candidates({ a: ["1", "2"], b: ["2", "3"], c: ["1", "3"] })
    deepStrictEqual(matching.harmless(crossed, "a"), ["1", "2"])
    deepStrictEqual(matching.harmless(matching.without(crossed, "a", "1"), "b"), ["2"])
    deepStrictEqual(matching.harmless(candidates({ a: ["1"], b: ["1"] }), "a"), [])
  })
})
