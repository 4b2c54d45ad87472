// Label selectors: the syntax that the controller accepts, and the positions of mistakes.
import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Either from "effect/Either"
import * as labelSelector from "../../src/controller/labelSelector.ts"

const good: ReadonlyArray<readonly [text: string, sent: string]> = [
  ["", ""],
  ["  ", ""],
  ["a=b", "a=b"],
  ["a==b", "a=b"],
  ["a != b", "a!=b"],
  ["a,!b", "a,!b"],
  ["! b", "!b"],
  ["a in (b, c) , d notin (e)", "a in (b,c),d!=e"],
  ["a in ()", "a in ()"],
  ["a=", "a="],
  ["a=,b", "a=,b"],
  ["example.com/board=rpi4.v2_x", "example.com/board=rpi4.v2_x"],
  ["in in (in)", "in=in"],
  ["a=b,a=b", "a=b,a=b"],
  ["a=b,a!=c", "a=b,a!=c"]
]

const bad: ReadonlyArray<readonly [text: string, position: number, details: string]> = [
  ["a>3", 2, "the controller does not support >; list the values: a in (4,5)"],
  ["a < 3", 3, "the controller does not support <; list the values: a in (4,5)"],
  ["a=b,", 5, "expected a label, found the end"],
  [",a", 1, "expected a label, found \",\""],
  ["=b", 1, "expected a label, found \"=\""],
  ["a b", 3, "expected a comma, found \"b\""],
  ["a=b c", 5, "expected a comma, found \"c\""],
  ["a in b", 6, "expected an opening parenthesis, found \"b\""],
  ["a in (b", 8, "expected a comma or a closing parenthesis, found the end"],
  ["a in (b c)", 9, "expected a comma or a closing parenthesis, found \"c\""],
  ["a in (,)", 7, "expected a value or a closing parenthesis, found \",\""],
  ["a=b)", 4, "expected a comma, found \")\""],
  ["a/b/c", 1, "the label a/b/c has more than one slash"],
  ["-a", 1, "\"-a\" is not a label: at most 63 letters, digits, dots, dashes and underscores"],
  ["A B/c", 3, "expected a comma, found \"B/c\""],
  ["Ex_ample/c", 1, "\"Ex_ample\" before the slash is not a domain name"],
  ["a=b/c", 3, "\"b/c\" is not a label value: at most 63 letters, digits, dots, dashes and underscores"],
  ["a=ü", 3, "\"ü\" is not a label value: at most 63 letters, digits, dots, dashes and underscores"],
  ["a=b,a=c", 5, "a cannot be both b and c; write a in (b,c)"]
]

describe("a selector", () => {
  for (const [text, sent] of good) {
    it(`${JSON.stringify(text)} is sent as ${JSON.stringify(sent)}`, () => {
      deepStrictEqual(Either.map(labelSelector.parse(text), ({ text }) => text), Either.right(sent))
      // The text that is sent parses to the same requirements.
      deepStrictEqual(labelSelector.parse(sent), labelSelector.parse(text))
    })
  }

  for (const [text, position, details] of bad) {
    it(`${JSON.stringify(text)} is refused at ${position}`, () => {
      deepStrictEqual(labelSelector.parse(text), Either.left({ position, details }))
    })
  }
})
