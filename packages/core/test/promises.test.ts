// docs/promises.md names tests; this keeps it from naming some that are gone.
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { repository } from "./support/process.ts"

const read = (path: string) => readFileSync(`${repository}${path}`, "utf8")

const promises = read("docs/promises.md").split(/^## /m).slice(1)

describe("docs/promises.md", () => {
  it("has the ten promises", () => {
    assert.deepStrictEqual(promises.map((text) => parseInt(text)), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  const rows = promises.flatMap((text) => text.split("\n").filter((line) => line.startsWith("| ")).slice(2))

  it.each(rows.map((row) => ({ row })))("names a test that exists: $row", ({ row }) => {
    const [, file = "", title = ""] = /\]\(\.\.\/([^)]+)\): \*([^*]+)\* \|$/.exec(row) ?? []
    assert.notStrictEqual(title, "", "a row ends with a link to a file, a colon, and a title in italics")
    assert.include(read(file), title)
  })
})
