// Bundles packages/cli with everything that it uses into packages/cli/dist: it starts in less than half of the time, and
// `npx @effect-jumpstarter/cli` installs a few packages in place of a hundred. The codecs of encoded images stay packages of their own,
// because they run in threads. dist/licenses.txt has the licenses of what is bundled.
import { build } from "esbuild"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const directory = join(root, "packages/cli")
const dist = join(directory, "dist")

rmSync(dist, { recursive: true, force: true })
const { metafile } = await build({
  absWorkingDir: directory,
  entryPoints: ["src/bin.ts"],
  outdir: dist,
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  metafile: true,
  logLevel: "warning",
  // CommonJS packages load Node's built-in modules with `require`.
  banner: {
    js: "import { createRequire as makeRequire } from \"node:module\"; const require = makeRequire(import.meta.url);"
  }
})

/** The directory of the package that a file belongs to. */
const packageOf = (file) => {
  for (let path = dirname(file); path !== dirname(path); path = dirname(path)) {
    const manifest = join(path, "package.json")
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name !== undefined) return path
  }
  throw new Error(`${file} is in no package`)
}

const inputs = Object.keys(metafile.inputs).map((file) => resolve(directory, file))
const bundled = new Set(inputs.filter((file) => file.includes("node_modules")).map(packageOf))
const notices = Array.from(bundled, (path) => {
  const { license, name, version } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"))
  const file = readdirSync(path).find((file) => /^licen[cs]e/i.test(file))
  const text = file === undefined ? `License: ${license}` : readFileSync(join(path, file), "utf8").trim()
  return `${name} ${version}\n\n${text}\n`
}).sort()
writeFileSync(join(dist, "licenses.txt"), notices.join(`\n${"-".repeat(80)}\n\n`))
console.error(`Bundled @effect-jumpstarter/cli with ${notices.length} packages`)
