import { it } from "@effect/vitest"
import { assertInclude } from "@effect/vitest/utils"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { repository } from "../../support/process.ts"
import { markdown } from "./table.ts"

// Lines may be broken in other places.
const words = (text: string): string => text.replace(/\s+/g, " ")

it("docs/faults.md shows the table", () => {
  assertInclude(words(readFileSync(join(repository, "docs/faults.md"), "utf8")), words(markdown))
})
