import { assert, describe, it } from "@effect/vitest"
import { Journal } from "../../../src/testing/record/journal.ts"

describe("the journal of a record", () => {
  it("begins with all lines, and then has those that were added", () => {
    const journal = new Journal(1_000)
    journal.add("one")
    const all = () => ["header", "one"]
    assert.deepStrictEqual(journal.next(all), { text: "header\none\n", replaces: true })
    assert.isUndefined(journal.next(all))
    journal.add("two")
    journal.add("three")
    assert.deepStrictEqual(journal.next(all), { text: "two\nthree\n", replaces: false })
    assert.isUndefined(journal.next(all))
  })

  it("writes the file anew with what the record keeps, before the file and what waits for it are too large", () => {
    const journal = new Journal(1_000)
    const kept = () => ["header", "x".repeat(392)]
    let file = ""
    let replaced = 0
    for (let line = 0; line < 1_000; line++) {
      for (let more = 0; more < line % 50; more++) journal.add(`line ${line}`)
      const step = journal.next(kept)
      if (step === undefined) continue
      if (step.replaces) replaced++
      file = step.replaces ? step.text : file + step.text
      assert.isAtMost(file.length, 1_000)
    }
    // Each time after at least as much as was written.
    assert.isBelow(replaced, 1_000 * 25 * 9 / 600)
  })
})
