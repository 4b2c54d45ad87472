// Builds the documentation site into build/docs: the README files, the pages of docs, a page for each error, and the API from the docstrings.
// The pages of VitePress are made in build/site. A warning of TypeDoc and a dead link fail the build. With --serve it shows the result.
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, posix, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { errorPages } from "./error-pages.mjs"
import { replaceLinks } from "./links.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const site = join(root, "build/site")
const output = join(root, "build/docs")
const manifest = JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8"))
const repository = manifest.homepage?.replace(/#.*$/, "") ?? null

const run = (script, ...args) => {
  const { error, status, stderr, stdout } = spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" }
  })
  const text = `${stdout}${stderr}`
  if (error !== undefined || status !== 0 || /^\[warning\]|\(!\)/m.test(text)) {
    console.error(`${text}\nFailed: ${script}${error === undefined ? "" : ` (${error.message})`}`)
    process.exit(1)
  }
}

const write = (page, text) => {
  mkdirSync(dirname(join(site, page)), { recursive: true })
  writeFileSync(join(site, page), text)
}

const titleOf = (text) => /^# (.+)$/m.exec(text)?.[1].replaceAll("`", "") ?? "Untitled"

rmSync(site, { recursive: true, force: true })
rmSync(output, { recursive: true, force: true })
mkdirSync(site, { recursive: true })

// -------------------------------------------------------------------------------------------------------------------- the pages

// Files of the repository, and the pages of the site that they become.
const places = new Map([
  ["README.md", "start.md"],
  ["CONTRIBUTING.md", "contributing.md"],
  ["SECURITY.md", "reporting.md"],
  ["packages/examples/template/README.md", "template.md"],
  ...["examples", "proto", "cli"].map((name) => [`packages/${name}/README.md`, `${name}.md`]),
  ...readdirSync(join(root, "docs"), { recursive: true })
    .map((name) => `docs/${name.replaceAll("\\", "/")}`)
    .filter((name) => name.endsWith(".md"))
    .map((name) => [name, name.replace(/README\.md$/, "index.md")])
].filter(([file]) => existsSync(join(root, file))))

/** A link of a file, as it is on the site. Without an address of the repository, one to another kind of file is its text. */
const moved = (file, page) => (whole, text, link) => {
  const [path, anchor] = link.split("#")
  if (/^[a-z]+:/.test(link) || path === "") return whole
  const linked = posix.join(posix.dirname(file), path).replace(/\/$/, "")
  const target = places.get(linked) ?? places.get(`${linked}/README.md`)
  const suffix = anchor === undefined ? "" : `#${anchor}`
  if (target !== undefined) return `[${text}](${posix.relative(posix.dirname(page), target)}${suffix})`
  if (/\.(svg|png)$/.test(linked)) {
    cpSync(join(root, linked), join(site, "public", posix.basename(linked)), { recursive: true })
    return `[${text}](/${posix.basename(linked)})`
  }
  return repository === null ? text : `[${text}](${repository}/blob/main/${linked}${suffix})`
}

cpSync(join(root, "site/public"), join(site, "public"), { recursive: true })
write("index.md", readFileSync(join(root, "site/index.md"), "utf8"))
const titles = new Map()
for (const [file, page] of places) {
  const text = readFileSync(join(root, file), "utf8")
  titles.set(page, titleOf(text))
  write(page, replaceLinks(text, moved(file, page)))
}

// -------------------------------------------------------------------------------------------------------------------- the errors

const errors = errorPages(root)
for (const { name, text } of errors) write(`errors/${name}.md`, text)
write(
  "errors/index.md",
  [
    "# Errors by tag",
    "",
    "[Errors](../docs/errors.md) explains how they belong together, and [Troubleshooting](../docs/troubleshooting.md) has each message.",
    "",
    "| Tag | Module | |",
    "| --- | --- | --- |",
    ...errors.map(({ about, module, name, tag }) => `| [\`${tag}\`](${name}.md) | \`${module}\` | ${about} |`),
    ""
  ].join("\n")
)

// -------------------------------------------------------------------------------------------------------------------- the API

const isModule = (path) => /^\.\/(?:drivers\/|testing\/)?[A-Z]\w*$/.test(path)
const modules = Object.entries(manifest.exports).filter(([path]) => isModule(path))
writeFileSync(
  join(site, "typedoc.json"),
  JSON.stringify({
    plugin: ["typedoc-plugin-markdown", "typedoc-vitepress-theme"],
    name: "API",
    tsconfig: join(root, "packages/core/tsconfig.src.json"),
    entryPoints: modules.map(([, file]) => join(root, "packages/core", file)),
    out: join(site, "api"),
    docsRoot: site,
    router: "module",
    readme: "none",
    disableSources: repository === null,
    excludeExternals: true,
    excludePrivate: true,
    excludeInternal: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    expandObjects: false,
    useCodeBlocks: true,
    validation: { notExported: false, invalidLink: true, notDocumented: false, rewrittenLink: true },
    blockTags: ["@since", "@category", "@example", "@returns", "@param", "@see", "@default", "@remarks"]
  })
)
// TypeDoc reads the types of a referenced project from what the compiler has written, which a fresh clone does not have.
run("node_modules/typescript/bin/tsc", "--build", "packages/proto/tsconfig.src.json")
run("node_modules/typedoc/bin/typedoc", "--options", join(site, "typedoc.json"))

// -------------------------------------------------------------------------------------------------------------------- what leads to them

const guide = readFileSync(join(root, "docs/README.md"), "utf8")
const questions = new Map()
const groups = guide.split(/^## /m).slice(1).map((section) => ({
  text: section.split("\n")[0],
  items: Array.from(section.matchAll(/^\| \[[^\]]*\]\(([^)]+)\) \| (.*) \|$/gm), ([, file, question]) => {
    const page = places.get(`docs/${file}`)
    questions.set(page, question)
    return { text: titles.get(page), link: `/${page.replace(/(index)?\.md$/, "")}` }
  })
}))
const start = ["start.md", "template.md", "examples.md", "cli.md"].filter((page) => titles.has(page))
  .map((page) => ({ text: page === "start.md" ? "Start" : titles.get(page), link: `/${page.replace(".md", "")}` }))
const project = ["contributing.md", "reporting.md", "proto.md"]
  .map((page) => ({ text: titles.get(page), link: `/${page.replace(".md", "")}` }))
const drivers = [...titles].filter(([page]) => page.startsWith("docs/drivers/") && !page.endsWith("/index.md"))
  .map(([page, text]) => ({ text, link: `/${page.replace(".md", "")}` }))
writeFileSync(
  join(site, "sidebars.json"),
  JSON.stringify({
    repository,
    guide: [{ text: "Begin", items: start }, ...groups, { text: "The project", items: project }],
    drivers: [{ text: "The catalogue", link: "/docs/drivers/" }, { text: "Drivers", items: drivers }],
    errors: [
      { text: "All tags", link: "/errors/" },
      { text: "Tags", items: errors.map(({ name, tag }) => ({ text: tag, link: `/errors/${name}` })) }
    ],
    api: JSON.parse(readFileSync(join(site, "api/typedoc-sidebar.json"), "utf8"))
  })
)

// What language models read: an index, and every page of the guide in one file.
const guidePages = ["start.md", ...questions.keys()]
writeFileSync(
  join(site, "public/llms.txt"),
  [
    "# effect-jumpstarter",
    "",
    `> ${manifest.description}. Drives real hardware from TypeScript with Effect 3.`,
    "",
    "## Documentation",
    "",
    ...guidePages.map((page) =>
      `- [${titles.get(page)}](/${page.replace(/\.md$/, ".html")})${
        questions.has(page) ? `: ${questions.get(page)}` : ""
      }`
    ),
    "",
    "## Errors",
    "",
    ...errors.map(({ about, name, tag }) => `- [${tag}](/errors/${name}.html): ${about}`),
    "",
    "## Optional",
    "",
    ...drivers.map(({ link, text }) => `- [${text}](${link}.html)`),
    ""
  ].join("\n")
)
writeFileSync(
  join(site, "public/llms-full.txt"),
  guidePages.map((page) => readFileSync(join(site, page), "utf8")).join("\n\n---\n\n")
)

run("node_modules/vitepress/bin/vitepress.js", "build", "site")
const pages = readdirSync(output, { recursive: true }).filter((file) => file.endsWith(".html")).length
console.log(`${relative(root, output)}: ${pages} pages, ${errors.length} errors, ${modules.length} modules`)

if (process.argv.includes("--serve")) {
  spawnSync(process.execPath, [join(root, "node_modules/vitepress/bin/vitepress.js"), "preview", "site"], {
    cwd: root,
    stdio: "inherit"
  })
}
