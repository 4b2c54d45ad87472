// Reads the reports of the conformance suite, which test/interop/conformance.test.ts runs.
import { assert, describe, it } from "@effect/vitest"
import { type Excuse, judge } from "../conformance/excuses.ts"
import { parse } from "../conformance/suite.ts"

const output = `FAILED: Basic/TLS:false/unary/success:
\tactual response trailers missing "x-custom-trailer"
FAILED: Errors/TLS:true/unary/error:
\tactual error contain 0 details; expecting 1
\tactual response trailers missing "x-custom-trailer"

Total cases: 12
10 passed, 2 failed
`

const trailers: Excuse = {
  why: "no trailers",
  complaint: /^actual response trailers missing "x-custom-trailer"$/,
  tests: /^/
}

describe("a report of the conformance suite", () => {
  it("contains every complaint of every case", () =>
    assert.deepStrictEqual(parse(output), {
      total: 12,
      complaints: [
        { test: "Basic/TLS:false/unary/success", complaint: "actual response trailers missing \"x-custom-trailer\"" },
        { test: "Errors/TLS:true/unary/error", complaint: "actual error contain 0 details; expecting 1" },
        { test: "Errors/TLS:true/unary/error", complaint: "actual response trailers missing \"x-custom-trailer\"" }
      ]
    }))

  it.each([
    "",
    "error: unknown flag",
    output.replace(/Total cases.*/, ""),
    `${output}Another 3 could not be run due to client timing out or exiting prematurely.\n`,
    output.replace("10 passed, 2 failed", "9 passed, 3 failed"),
    "Total cases: 12\n12 passed, 1 failed\n"
  ])(
    "is rejected when cases have not run, or when failed cases are missing: %j",
    (output) => assert.throws(() => parse(output), /the conformance suite has not run/)
  )

  it("is excused complaint by complaint", () =>
    assert.deepStrictEqual(judge(parse(output).complaints, [trailers]), {
      wrong: [{ test: "Errors/TLS:true/unary/error", complaint: "actual error contain 0 details; expecting 1" }],
      idle: []
    }))

  it("is excused only in the cases that an excuse names, and needs every excuse", () =>
    assert.deepStrictEqual(
      judge(parse(output).complaints.slice(0, 1), [{ ...trailers, tests: /^Errors\// }]),
      {
        wrong: [{
          test: "Basic/TLS:false/unary/success",
          complaint: "actual response trailers missing \"x-custom-trailer\""
        }],
        idle: ["no trailers"]
      }
    ))
})
