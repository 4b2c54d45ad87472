import { assert, describe, it } from "@effect/vitest"
import * as units from "../../page/units.ts"

describe("the times of a record's page", () => {
  it("are rounded as a whole, never to 60 of a unit", () => {
    const cases = [0, 0.04, 9.96, 999.7, 1_234, 9_996, 59_960, 119_700, 3_599_700, 7_199_000].map(units.seconds)
    assert.strictEqual(
      cases.join(", "),
      "0 ms, 0.0 ms, 10 ms, 1.00 s, 1.23 s, 10.0 s, 1 min 0 s, 2 min 0 s, 1 h 0 min, 2 h 0 min"
    )
    assert.deepStrictEqual([0, 59_999.6, 119_999.4].map(units.moment), ["0:00.000", "1:00.000", "1:59.999"])
    assert.deepStrictEqual([0, 500, 1_500, 119_600].map(units.mark), ["0 s", "500 ms", "1.5 s", "2:00"])
  })
})
