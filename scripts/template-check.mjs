// Tries packages/examples/template as its user would, with the packages that scripts/pack.mjs has put into the directory given: copies it
// into an empty directory, installs, runs its tests on every even release of Node, its types and its program, the same with pnpm, and the
// program as a bundle. Needs the package registry.
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const tarballs = resolve(process.argv[2] ?? join(root, "build"))
const temp = mkdtempSync(join(tmpdir(), "template-check-"))
process.on("exit", () => rmSync(temp, { recursive: true, force: true }))

const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const kernel = /the board runs Linux 6\.12\.3/

const run = (cwd, expected, command, ...args) => {
  console.log(`\n> ${command} ${args.join(" ")}`)
  const { error, status, stderr, stdout } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    // The template runs on its fakes, and no environment of this repository reaches it.
    env: { ...process.env, JUMPSTARTER_HOST: "", NODE_PATH: "" },
    stdio: ["ignore", "pipe", "pipe"],
    shell: process.platform === "win32"
  })
  if (error !== undefined || status !== 0 || !expected.test(stdout)) {
    console.error(
      `${stdout}${stderr}\nFailed: ${command} ${args.join(" ")}${error === undefined ? "" : ` (${error.message})`}`
    )
    process.exit(1)
  }
}

const catalog = new Map(
  Array.from(
    readFileSync(join(root, "pnpm-workspace.yaml"), "utf8").matchAll(/^ {2}"?([@\w/-]+)"?: ([\^~\d.]+)$/gm),
    ([, name, range]) => [name, range]
  )
)

/** A copy of the template that takes our packages from the tarballs. */
const copy = (name) => {
  const directory = join(temp, name)
  cpSync(join(root, "packages/examples/template"), directory, { recursive: true })
  const file = join(directory, "package.json")
  const manifest = JSON.parse(readFileSync(file, "utf8"))
  for (const [dependency, range] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    if (dependency !== "@effect-jumpstarter/core" && catalog.get(dependency) !== range) {
      console.error(
        `Failed: the template has ${dependency} ${range}, and pnpm-workspace.yaml ${catalog.get(dependency)}`
      )
      process.exit(1)
    }
  }
  const proto = `file:${join(tarballs, "proto.tgz")}`
  manifest.dependencies["@effect-jumpstarter/core"] = `file:${join(tarballs, "core.tgz")}`
  // Where npm and pnpm look for a package that only another one depends on.
  manifest.overrides = { "@effect-jumpstarter/proto": proto }
  writeFileSync(file, JSON.stringify(manifest))
  writeFileSync(join(directory, "pnpm-workspace.yaml"), `overrides:\n  "@effect-jumpstarter/proto": "${proto}"\n`)
  return directory
}

const withNpm = copy("npm")
run(withNpm, /added/, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")
run(withNpm, /2 passed/, "npm", "test")
run(withNpm, kernel, "npm", "start")
run(withNpm, /(?:)/, "npm", "run", "check")
for (const release of [20, 22, 24, 26]) {
  const node = ["--yes", `--package=node@${release}`, "--", "node"]
  run(withNpm, /2 passed/, "npx", ...node, "node_modules/vitest/vitest.mjs", "run")
}

const banner = "import { createRequire as r } from \"node:module\"; const require = r(import.meta.url)"
const bundle = join(temp, "bundle", "main.mjs")
run(
  withNpm,
  /(?:)/,
  join(root, "packages/core/node_modules/.bin/esbuild"),
  "src/main.ts",
  "--bundle",
  "--platform=node",
  "--format=esm",
  `--banner:js=${banner}`,
  `--outfile=${bundle}`
)
run(dirname(bundle), kernel, process.execPath, bundle)

const withPnpm = copy("pnpm")
run(withPnpm, /(?:)/, "npx", "--yes", packageManager, "install", "--ignore-scripts")
run(withPnpm, /2 passed/, "npx", "--yes", packageManager, "test")
console.log("\nThe template works with npm, with pnpm and as a bundle.")
