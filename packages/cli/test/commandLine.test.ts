import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { arrange } from "../src/commandLine.ts"
import { call } from "../src/commands/call.ts"
import { lease } from "../src/commands/lease.ts"

const arranged = (...words: ReadonlyArray<string>) =>
  Either.getOrThrowWith(arrange([call, lease], words), ({ message }) => new Error(message))

describe("the words of a command line", () => {
  it("may have options anywhere", () => {
    const expected = ["call", "--json", "--timeout", "5 s", "--", "power", "on"]
    assert.deepStrictEqual(arranged("call", "power", "on", "--json", "--timeout", "5 s"), expected)
    assert.deepStrictEqual(arranged("--json", "call", "power", "--timeout", "5 s", "on"), expected)
  })

  it("may be negative numbers, and anything after --", () => {
    assert.deepStrictEqual(arranged("call", "dac", "set", "-5", "-.5"), ["call", "--", "dac", "set", "-5", "-.5"])
    assert.deepStrictEqual(arranged("call", "shell", "run", "--", "--json"), ["call", "--", "shell", "run", "--json"])
  })

  it("find a command below another one, and an argument that is named like a command", () => {
    assert.deepStrictEqual(
      arranged("lease", "shell", "-l", "board=rpi4", "--", "npm", "test", "--json"),
      ["lease", "shell", "-l", "board=rpi4", "--", "npm", "test", "--json"]
    )
    assert.deepStrictEqual(arranged("call", "power", "call"), ["call", "--", "power", "call"])
  })

  it("ask for help wherever it is", () => {
    assert.deepStrictEqual(arranged("call", "power", "--help", "--json"), ["call", "--help"])
  })

  it("name an option that the command does not have, and take its value for no option", () => {
    const wrong = Either.flip(arrange([call, lease], ["call", "power", "--tomeout", "--json"]))
    assert.match(Either.getOrThrow(wrong).message, /^call has no option --tomeout; it has .*--timeout/)
    assert.isTrue(Either.isRight(arrange([call, lease], ["call", "power", "on", "--timeout", "--odd"])))
    assert.isTrue(Either.isRight(arrange([call, lease], ["call", "power", "on", "--timeout=5"])))
  })
})
