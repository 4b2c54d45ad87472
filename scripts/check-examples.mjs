// Type-checks the TypeScript of the documentation, with the repository's own strictness: the ```ts fences of the README
// files, of AGENTS.md, of docs, of the site's start and of the JSDoc comments in packages/core/src. A fence stands alone, but one without imports in a Markdown
// file continues the fence before it. Every line keeps its number, so that errors point into the documentation.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
// Inside packages/core, where all imports of examples resolve, including the package itself.
const outDir = "packages/core/build/docs"

const packages = readdirSync(join(root, "packages"))
const sources = [
  "README.md",
  ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`),
  "site/index.md",
  ...packages.flatMap((name) => [`packages/${name}/README.md`, `packages/${name}/AGENTS.md`]),
  ...readdirSync(join(root, "packages/core/src"), { recursive: true }).map((name) => `packages/core/src/${name}`)
].filter((file) => /\.(md|ts)$/.test(file) && existsSync(join(root, file)))

/** The fences of a file, each as a list of lines. The lines before it are empty. */
const readFences = (file) => {
  const markdown = file.endsWith(".md")
  const prefix = markdown ? /^/ : /^\s*\* ?/
  const fences = []
  let current
  for (const [index, line] of readFileSync(join(root, file), "utf8").split("\n").entries()) {
    const text = line.replace(prefix, "")
    if (current !== undefined) {
      if (/^\s*```\s*$/.test(text)) current = undefined
      else current[index] = text
    } else if (/^\s*```(ts|typescript)\s*$/.test(text) && (markdown || prefix.test(line))) {
      fences.push(current = [])
    }
  }
  if (!markdown) return fences
  const chains = []
  for (const fence of fences) {
    if (chains.length > 0 && !fence.some((line) => line.startsWith("import "))) Object.assign(chains.at(-1), fence)
    else chains.push(fence)
  }
  return chains
}

rmSync(join(root, outDir), { recursive: true, force: true })
let count = 0
for (const source of sources) {
  for (const fence of readFences(source)) {
    const file = join(root, outDir, `${source}.${count++}.ts`)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, Array.from(fence, (line) => line ?? "").join("\n") + "\n")
  }
}
if (count === 0) {
  console.error("Found no example: is the pattern still right?")
  process.exit(1)
}

writeFileSync(
  join(root, outDir, "tsconfig.json"),
  JSON.stringify({
    extends: "../../../../tsconfig.base.json",
    include: ["."],
    references: [{ path: "../../tsconfig.src.json" }, { path: "../../../proto/tsconfig.src.json" }],
    compilerOptions: {
      types: ["node"],
      noEmit: true,
      composite: false,
      declaration: false,
      declarationMap: false,
      // An example may end with an unused value.
      noUnusedLocals: false
    }
  })
)
const { status, stdout } = spawnSync(
  process.execPath,
  [join(root, "node_modules/typescript/bin/tsc"), "-b", join(outDir, "tsconfig.json")],
  { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }
)
process.stdout.write(stdout.replaceAll(new RegExp(`${outDir}/(\\S+)\\.\\d+\\.ts(?=\\()`, "g"), "$1"))
console.log(status === 0 ? `${count} examples compile.` : `Some of the ${count} examples do not compile.`)
process.exit(status ?? 1)
