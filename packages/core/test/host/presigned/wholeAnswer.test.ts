import { assert, describe, it } from "@effect/vitest"
import * as wholeAnswer from "../../../src/host/presigned/wholeAnswer.ts"

type Row = readonly [range: string | undefined, status: number, contentRange: string | undefined, whole: boolean]

const rows: ReadonlyArray<Row> = [
  [undefined, 200, undefined, true],
  [undefined, 203, undefined, true],
  [undefined, 201, undefined, false],
  [undefined, 202, undefined, false],
  [undefined, 204, undefined, false],
  [undefined, 205, undefined, false],
  [undefined, 206, "bytes 0-9/100", false],
  [undefined, 206, undefined, false],
  [undefined, 226, undefined, false],
  ["bytes=0-9", 200, undefined, false],
  ["bytes=0-", 200, undefined, true],
  ["bytes=0-9", 206, "bytes 0-9/100", true],
  ["bytes=0-9", 206, "bytes 0-9/*", true],
  ["bytes=0-9", 206, "bytes 0-8/100", false],
  ["bytes=0-9", 206, "bytes 0-8/9", true],
  ["bytes=0-9", 206, "bytes 1-9/100", false],
  ["bytes=0-9", 206, undefined, false],
  ["bytes=0-9", 206, "bytes */100", false],
  ["bytes=0-9", 206, "bytes 9-0/100", false],
  ["bytes=5-", 206, "bytes 5-99/100", true],
  ["bytes=5-", 206, "bytes 5-50/100", false],
  ["bytes=-5", 206, "bytes 95-99/100", true],
  ["bytes=-5", 206, "bytes 90-99/100", false],
  ["bytes=-500", 206, "bytes 0-99/100", true],
  ["bytes=0-1,5-6", 206, "bytes 0-1/100", false]
]

describe("an answer", () => {
  for (const [range, status, contentRange, whole] of rows) {
    const name = `${range ?? "all"}: ${status}, ${contentRange ?? "no Content-Range"}`
    it(`is ${whole ? "" : "not "}what was requested with ${name}`, () => {
      const problem = wholeAnswer.problem(
        range === undefined ? {} : { range },
        { status, headers: contentRange === undefined ? {} : { "content-range": contentRange } }
      )
      assert.strictEqual(problem === undefined, whole, problem)
    })
  }

  it("is as long as it says, if that is the length of what is read", () => {
    const length = (status: number, headers: Record<string, string>) => wholeAnswer.length({ status, headers })
    assert.strictEqual(length(200, { "content-length": "7" }), 7)
    assert.strictEqual(length(206, { "content-range": "bytes 3-5/9" }), 3)
    assert.strictEqual(length(200, { "content-encoding": "identity", "content-length": "7" }), 7)
    assert.isUndefined(length(200, { "content-encoding": "gzip", "content-length": "7" }))
    assert.isUndefined(length(200, {}))
  })
})
