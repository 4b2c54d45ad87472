import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import * as selector from "../../../src/testing/controller/selector.ts"

const parsed = (text: string) => Either.getOrElse(selector.parse(text), (problem) => problem)

const ofLease = (text: string) =>
  Either.match(selector.ofLease(text), { onLeft: (problem) => problem, onRight: selector.format })

describe("a selector of labels", () => {
  it.each([
    ["", "<none>"],
    ["a=b", "a=b"],
    ["a!=b", "a notin (b)"],
    ["a in (c,b, c)", "a in (b,c)"],
    ["a notin (b)", "a notin (b)"],
    ["a in ()", "a in ()"],
    ["b,a", "a,b"],
    ["!a, b = c", "!a,b=c"],
    ["a=", "a="],
    ["example.com/board=rpi4", "example.com/board=rpi4"],
    ["in in (in)", "in in (in)"],
    ["a=b,a=b", "a=b"]
  ])("of a lease: %j is written %j", (text, written) => {
    assert.strictEqual(ofLease(text), written)
  })

  it.each([
    ["a==b", "unsupported label selector operator: =="],
    ["a>3", "unsupported label selector operator: gt"],
    ["a<3", "unsupported label selector operator: lt"],
    ["a=b,a=c", "invalid selector: label a cannot have multiple equality requirements with different values (b and c)"],
    [
      "a b",
      "failed to parse label selector: unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"
    ],
    ["a=b c", "failed to parse label selector: found 'c', expected: ',' or 'end of string'"],
    ["a=b,", "failed to parse label selector: found '', expected: identifier after ','"],
    ["=b", "failed to parse label selector: found '=', expected: !, identifier, or 'end of string'"],
    ["!", "failed to parse label selector: unable to parse requirement: found '', expected: identifier"],
    ["a in b", "failed to parse label selector: unable to parse requirement: found 'b' expected: '('"],
    [
      "a in (b",
      "failed to parse label selector: unable to parse requirement: found '', expected: ',', ')' or identifier"
    ]
  ])("of a lease: %j is refused", (text, problem) => {
    assert.strictEqual(ofLease(text), problem)
  })

  it.each([
    ["a==b", { a: "b" }, true],
    ["a==b", { a: "c" }, false],
    ["a!=b", {}, true],
    ["a!=b", { a: "b" }, false],
    ["a in (b,c)", { a: "c" }, true],
    ["a in (b,c)", {}, false],
    ["a notin (b)", {}, true],
    ["a", { a: "" }, true],
    ["a", {}, false],
    ["!a", { a: "b" }, false],
    ["a>3", { a: "4" }, true],
    ["a>3", { a: "x" }, false],
    ["a<3", { a: "4" }, false],
    ["a,toString", { a: "b" }, false]
  ])("%j of %j is %j", (text, labels, expected) => {
    const read = parsed(text)
    assert.isArray(read)
    assert.strictEqual(typeof read === "string" || selector.matches(read, labels), expected)
  })

  it("says what is wrong with a key and a value", () => {
    assert.match(
      String(parsed("-a=b")),
      /^unable to parse requirement: key: Invalid value: "-a": name part must consist of/
    )
    assert.match(
      String(parsed("a=-b")),
      /^unable to parse requirement: values\[0\]\[a\]: Invalid value: "-b": a valid label/
    )
    assert.match(String(parsed("a>b")), /the value must be an integer/)
  })
})
