import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { type Pattern, PatternSearch } from "../../../src/drivers/console/patternSearch.ts"
import * as transcript from "../../../src/drivers/console/transcript.ts"
import { UnreadText } from "../../../src/drivers/console/unreadText.ts"

// Counts the characters that a search looks at.
class CountedText extends UnreadText {
  looks = 0

  override slice(from: number, to: number): string {
    const text = super.slice(from, to)
    this.looks += text.length
    return text
  }
}

const million = 1_000_000

const line = "[   12.345678] usb 1-1: ok.....\n"

// The time that one of many pieces takes, in the best of several batches.
const timePerPiece = (step: () => void): number => {
  let best = Infinity
  for (let batch = 0; batch < 20; batch++) {
    const began = performance.now()
    for (let index = 0; index < 500; index++) step()
    best = Math.min(best, performance.now() - began)
  }
  return best / 500
}

// The ratio between the cost of a step at the limit and its cost when empty.
const growth = (make: () => { readonly fill: () => void; readonly step: () => void }): number => {
  const empty = make()
  const early = timePerPiece(empty.step)
  const full = make()
  full.fill()
  return timePerPiece(full.step) / early
}

describe("UnreadText", () => {
  it.prop(
    "returns the latest text that was not dropped",
    {
      limit: fc.constantFrom(0, 1, 10, 20_000, 40_000, Infinity),
      steps: fc.array(fc.tuple(fc.constantFrom(1, 7, 5_000, 20_000), fc.constantFrom(0, 0.5, 1)), { maxLength: 20 })
    },
    ({ limit, steps }) => {
      const unread = new UnreadText(limit)
      let expected = ""
      let said = 0
      for (const [length, share] of steps) {
        const text = Array.from({ length }, () => String.fromCharCode(97 + said++ % 26)).join("")
        unread.add(text)
        expected = limit === 0 ? "" : (expected + text).slice(-limit)
        assert.strictEqual(unread.slice(unread.start, unread.end), expected)
        const taken = Math.floor(expected.length * share)
        assert.strictEqual(unread.slice(unread.start + 1, unread.start + taken), expected.slice(1, Math.max(1, taken)))
        unread.drop(unread.start + taken)
        expected = expected.slice(taken)
        assert.strictEqual(unread.slice(unread.start, unread.end), expected)
      }
    }
  )

  it("costs the same for each piece when it is full", () => {
    const ratio = growth(() => {
      const unread = new UnreadText(million)
      return { fill: () => unread.add("x".repeat(million)), step: () => unread.add("12345678") }
    })
    assert.isBelow(ratio, 8)
  })
})

type Entry = ReturnType<transcript.Transcript["entries"]>[number]

// A slow implementation that keeps the latest part of a conversation.
const latest = (entries: ReadonlyArray<Entry>, limit: number): ReadonlyArray<Entry> => {
  const merged: Array<Entry> = []
  let excess = Math.max(0, entries.reduce((size, { text }) => size + text.length, 0) - limit)
  for (const { from, text } of entries) {
    const kept = text.slice(excess)
    excess -= text.length - kept.length
    const last = merged.at(-1)
    if (kept === "") continue
    if (last?.from === from) merged[merged.length - 1] = { from, text: last.text + kept }
    else merged.push({ from, text: kept })
  }
  return merged
}

describe("transcript", () => {
  it.prop(
    "returns the latest text of both sides",
    {
      limit: fc.constantFrom(1, 10, 20_000, 40_000, Infinity),
      steps: fc.array(
        fc.record({
          from: fc.constantFrom<Entry["from"]>("client", "device"),
          text: fc.constantFrom("", "a", "hello", "b".repeat(5_000), "c".repeat(20_000))
        }),
        { maxLength: 20 }
      )
    },
    ({ limit, steps }) => {
      const said = transcript.make(limit)
      for (const { from, text } of steps) said.add(from, text)
      assert.deepStrictEqual(said.entries(), latest(steps, limit))
    }
  )

  it.each([{ sides: "one side" }, { sides: "both sides in turn" }])(
    "costs the same for each piece of $sides when it is full",
    ({ sides }) => {
      const ratio = growth(() => {
        const said = transcript.make(million)
        let turn = 0
        const step = () => said.add(sides === "one side" || turn++ % 2 === 0 ? "device" : "client", "12")
        return {
          fill: () => {
            for (let index = 0; index < million / 2; index++) step()
          },
          step
        }
      })
      assert.isBelow(ratio, 8)
    }
  )
})

describe("PatternSearch", () => {
  it.each<{ readonly name: string; readonly pattern: Pattern }>([
    { name: "text", pattern: "never" },
    { name: "an expression", pattern: /never (\d+)\n/ }
  ])(
    "looks at each character a bounded number of times while it waits for $name",
    ({ pattern }) => {
      const unread = new CountedText(million)
      const search = new PatternSearch([pattern], unread)
      for (let said = 0; said < 1.5 * million; said += line.length) {
        unread.add(line)
        assert.isUndefined(search.next())
      }
      // Each piece costs its own length and the length of the overlap before it.
      const pieces = 1.5 * million / line.length
      assert.isBelow(unread.looks, pieces * 4_200 + 12 * 1.5 * million)
    }
  )

  it("takes lines from the start of a long text at a bounded cost per line", () => {
    const unread = new CountedText(million)
    unread.add(line.repeat(million / line.length))
    let lines = 0
    while (unread.end - unread.start > 0) {
      unread.add("!")
      const found = new PatternSearch([/ok\.+\n/], unread).next()
      if (found === undefined) break
      unread.drop(found.end)
      lines++
    }
    assert.strictEqual(lines, million / line.length)
    assert.isBelow(unread.looks / lines, 20_000)
  })

  it("finds the first of several matches at any position", () => {
    for (const length of [0, 1, 4_095, 4_096, 12_287, 12_288, 16_383, 16_384, 100_000]) {
      const unread = new UnreadText(million)
      unread.add(`${"x".repeat(length)}panic: no init\n${"y".repeat(30_000)}login: `)
      const found = new PatternSearch(["login: ", /panic: (.*)\n/], unread).next()
      assert.deepStrictEqual([found?.index, found?.start, found?.groups[0]], [1, length, "no init"], `after ${length}`)
    }
  })

  it("extends a match beyond the searched window", () => {
    const unread = new UnreadText(million)
    unread.add(`${"x".repeat(16_383)}12345\n${"y".repeat(100)}`)
    assert.strictEqual(new PatternSearch([/\d+/], unread).next()?.match, "12345")
    assert.isUndefined(new PatternSearch([/x$/], unread).next())
  })

  it("finds a text in pieces that is longer than the searched window", () => {
    const unread = new UnreadText(million)
    const needle = Array.from({ length: 10_000 }, (_, index) => `${index};`).join("")
    const search = new PatternSearch([needle], unread)
    for (let index = 0; index < needle.length; index += 1_000) {
      assert.isUndefined(search.next())
      assert.isTrue(search.isComplete)
      unread.add(needle.slice(index, index + 1_000))
    }
    assert.strictEqual(search.next()?.match.length, needle.length)
  })

  it("sees the character before the searched window", () => {
    const unread = new UnreadText(million)
    const start = new PatternSearch([/^x/], unread)
    const word = new PatternSearch([/\bend/], unread)
    unread.add("a".repeat(50_000))
    assert.isUndefined(start.next() ?? word.next())
    unread.add(`${"x".repeat(50_000)}end`)
    assert.isUndefined(start.next() ?? word.next())
    unread.add(" end")
    assert.strictEqual(word.next()?.start, 100_004)
  })
})
