// Checks the links of the documentation: every relative link in a Markdown file, to a file, a heading or a line of
// the index, and every citation of a section of docs/protocol.md in code and comments. remark-validate-links checks links.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")

const { error, status: listed, stdout } = spawnSync(
  "git",
  ["ls-files", "--cached", "--others", "--exclude-standard", "-z"],
  { cwd: root, encoding: "utf8" }
)
if (error !== undefined || listed !== 0) throw error ?? new Error("git ls-files failed")
const files = stdout.split("\0").filter((file) => file !== "" && existsSync(join(root, file)))
const markdown = files.filter((file) => file.endsWith(".md"))

const { status } = spawnSync(process.execPath, [
  join(root, "node_modules/remark-cli/cli.js"),
  ...markdown,
  "--frail",
  "--quiet",
  "--no-stdout",
  "--use",
  "remark-validate-links=repository:false"
], { cwd: root, stdio: ["ignore", "inherit", "inherit"] })

const problems = []
const sections = new Set(
  Array.from(
    readFileSync(join(root, "docs/protocol.md"), "utf8").matchAll(/^##+ (\d+(?:\.\d+)?)\.? /gm),
    ([, number]) => number
  )
)
const report = (file, text, index, problem) =>
  problems.push(`${file}:${text.slice(0, index).split("\n").length}: ${problem}`)

let citations = 0
for (const file of files.filter((file) => /\.(md|ts|mjs|py)$/.test(file) && file !== "docs/protocol.md")) {
  const text = readFileSync(join(root, file), "utf8")
  // `protocol.md` 7, protocol.md 4.3 and 4.4, protocol.md 7 to 9; a line of a comment may end in between.
  const number = /\d+(?:\.\d+)?/.source
  const between = /(?:[\s*/]|, | and | to )+/.source
  for (const match of text.matchAll(new RegExp(`protocol\\.md\`?${between}(${number}(?:${between}${number})*)`, "g"))) {
    for (const [section] of match[1].matchAll(new RegExp(number, "g"))) {
      citations++
      if (!sections.has(section)) report(file, text, match.index, `docs/protocol.md has no section ${section}`)
    }
  }
  for (const match of text.matchAll(/\b([a-z][\w-]*\.md)`? \d/g)) {
    if (match[1] !== "protocol.md") {
      report(file, text, match.index, `${match[1]} has no sections; cite docs/protocol.md`)
    }
  }
  // An editor resolves a docstring's relative link against the file that its reader has open.
  if (file.endsWith(".ts") && file.includes("/src/") && !file.includes("/generated/")) {
    for (const match of text.matchAll(/^\s*\*.*\]\((?!https?:)[^)]*\)/gm)) {
      report(file, text, match.index + 1, "a docstring cannot have a relative link; name the file")
    }
  }
}
if (citations === 0) problems.push("Found no citation of docs/protocol.md: is the pattern still right?")

for (const problem of problems) console.error(problem)
if (status !== 0 || problems.length > 0) {
  console.error("\nSome links are broken.")
  process.exit(1)
}
console.log(`${markdown.length} Markdown files and ${citations} citations of docs/protocol.md lead somewhere.`)
