// How metadata is read, and what it shows when it is printed.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Inspectable, Logger, Option, pipe } from "effect"
import { format, inspect } from "node:util"
import * as Metadata from "../../src/grpc/Metadata.ts"

const { get, has, make, merge, set } = Metadata

describe("entries", () => {
  it("come from a record or from pairs, with keys in lower case", () => {
    assert.deepStrictEqual(Array.from(make({ "X-A": "1", "x-b": "2" }).entries), [["x-a", "1"], ["x-b", "2"]])
    assert.deepStrictEqual(make(new Map([["X-A", "1"], ["x-b", "2"]])), make({ "X-A": "1", "x-b": "2" }))
    assert.strictEqual(Metadata.empty.entries.size, 0)
  })

  it("keep the last of several values", () => {
    assert.deepStrictEqual(get(make([["x-a", "first"], ["X-A", "last"]]), "x-a"), Option.some("last"))
  })

  it("are found in any case, and only if they exist", () => {
    const metadata = make({ "x-a": "1", "x-empty": "" })
    assert.deepStrictEqual(get(metadata, "X-A"), Option.some("1"))
    assert.deepStrictEqual(get(metadata, "x-empty"), Option.some(""))
    assert.deepStrictEqual([has(metadata, "X-Empty"), has(metadata, "x-b")], [true, false])
    for (const key of ["x-b", "constructor", "__proto__", "toString"]) {
      assert.deepStrictEqual([get(metadata, key), has(metadata, key)], [Option.none(), false])
    }
  })

  it("keep keys that every object inherits", () => {
    const metadata = make([["__proto__", "1"], ["constructor", "2"]])
    assert.deepStrictEqual(get(metadata, "__proto__"), Option.some("1"))
    assert.deepStrictEqual(get(metadata, "constructor"), Option.some("2"))
  })

  it("are added to other metadata without changing it", () => {
    const metadata = make({ "x-a": "1", "x-b": "1" })
    assert.deepStrictEqual(set(metadata, "X-B", "2"), make({ "x-a": "1", "x-b": "2" }))
    assert.deepStrictEqual(
      merge(metadata, make({ "x-b": "2", "x-c": "3" })),
      make({ "x-a": "1", "x-b": "2", "x-c": "3" })
    )
    assert.deepStrictEqual(metadata, make({ "x-a": "1", "x-b": "1" }))
    assert.deepStrictEqual(
      pipe(metadata, set("x-b", "2"), merge(make({ "x-c": "3" }))),
      make({ "x-a": "1", "x-b": "2", "x-c": "3" })
    )
  })
})

describe("what is shown", () => {
  const metadata = make({ "x-jumpstarter-passphrase": "hunter2", authorization: "Bearer hunter2", request: "hunter2" })
  const nested = { rpc: "/t.S/M", sent: [metadata] }

  it("is the keys and no value, however metadata is printed", () => {
    const shown = [
      String(metadata),
      JSON.stringify(nested),
      inspect(nested, { depth: null, showHidden: true }),
      format("%s %o %O %j", metadata, metadata, nested, nested),
      Inspectable.toStringUnknown(nested),
      Inspectable.format(nested)
    ]
    for (const text of shown) {
      assert.notInclude(text, "hunter2")
      assert.include(text, "x-jumpstarter-passphrase")
    }
  })

  for (
    const [name, logger] of Object.entries({
      logfmt: Logger.logfmtLogger,
      string: Logger.stringLogger,
      json: Logger.jsonLogger
    })
  ) {
    it.effect(`is the keys and no value in the log: ${name}`, () => {
      const lines: Array<string> = []
      const kept = Logger.map(logger, (line) => void lines.push(line))
      return Effect.log(metadata, nested).pipe(
        Effect.annotateLogs({ metadata }),
        Effect.provide(Logger.replace(Logger.defaultLogger, kept)),
        Effect.map(() => {
          assert.strictEqual(lines.length, 1)
          assert.notInclude(lines.join(), "hunter2")
          assert.include(lines.join(), "x-jumpstarter-passphrase")
        })
      )
    })
  }
})
