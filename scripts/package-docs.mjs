// Copies the documentation into packages/core, so that the published package contains it. `prepack` of that package runs it. A link
// that leads out of the package becomes a link to the repository, whose address scripts/address.mjs writes into package.json. It
// becomes plain text while there is no address.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, posix, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { replaceLinks } from "./links.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const from = join(root, "docs")
const target = join(root, "packages/core/docs")
const { homepage } = JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8"))

const files = readdirSync(from, { recursive: true }).map((name) => name.replaceAll("\\", "/"))
const pages = files.filter((name) => name.endsWith(".md"))
const pictures = files.filter((name) => /\.(png|svg)$/.test(name))

// Of the linked files, the package contains only the other pages and the pictures.
const travels = (page, link) =>
  /^[a-z]+:/.test(link) || link.startsWith("#")
  || [...pages, ...pictures].includes(posix.join(posix.dirname(page), link.split("#")[0]))

const moved = (page) => (whole, text, link) => {
  if (travels(page, link)) return whole
  const [path, anchor] = link.split("#")
  const file = join(from, dirname(page), path)
  if (!existsSync(file)) throw new Error(`docs: ${link} is not there`)
  if (homepage === undefined) return text
  const url = `${homepage.replace(/#.*$/, "")}/blob/main/${relative(root, file)}`
  return `[${text}](${url}${anchor === undefined ? "" : `#${anchor}`})`
}

rmSync(target, { recursive: true, force: true })
mkdirSync(target)
for (const page of pages) {
  const text = readFileSync(join(from, page), "utf8")
  mkdirSync(dirname(join(target, page)), { recursive: true })
  writeFileSync(join(target, page), replaceLinks(text, moved(page)))
}
for (const picture of pictures) {
  mkdirSync(dirname(join(target, picture)), { recursive: true })
  copyFileSync(join(from, picture), join(target, picture))
}
