// Checks the packages as they would be published, not the working tree: builds, packs them as pnpm would publish them, checks the
// tarballs with publint and attw, and installs core and proto with npm into an empty project that runs and compiles against them. The
// command line is installed into another one, and drives a Python exporter. Needs the package registry.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const temp = mkdtempSync(join(tmpdir(), "package-check-"))
const consumer = join(temp, "consumer")

process.on("exit", () => rmSync(temp, { recursive: true, force: true }))

const run = (title, cwd, command, ...args) => {
  console.log(`\n> ${title}`)
  const { error, status } = spawnSync(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"] })
  if (status !== 0) {
    console.error(`\nFailed: ${title}${error === undefined ? "" : ` (${error.message})`}`)
    process.exit(1)
  }
}
const bin = (name) => join(root, "node_modules", ".bin", name)

const subpaths = Object.keys(JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8")).exports)
  .filter((path) => path !== "./package.json")
  .map((path) => path.replace(/^\.\//, ""))
const modules = (prefix) =>
  subpaths.filter((path) => path.startsWith(prefix) && /^[A-Z]\w*$/.test(path.slice(prefix.length)))
    .map((path) => path.slice(prefix.length))
const coreModules = modules("")
const driverModules = modules("drivers/")
const testingModules = modules("testing/")
const entrypoints = { proto: ["jumpstarter/v1/jumpstarter"], core: subpaths }

// -- the artefacts

run("build and pack", root, process.execPath, "scripts/pack.mjs", temp)
const tarball = (name) => join(temp, `${name}.tgz`)
for (const name of ["proto", "core"]) {
  run(`publint ${name}`, root, bin("publint"), "run", tarball(name), "--strict")
  const options = "--profile esm-only --format ascii --no-color --no-summary --entrypoints".split(" ")
  run(`attw ${name}`, root, bin("attw"), tarball(name), ...options, ...entrypoints[name])
}

run("publint cli", root, bin("publint"), "run", tarball("cli"), "--strict")

// -- a project that uses them

const files = {
  "package.json": JSON.stringify({ private: true, type: "module" }),
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "ES2022",
      lib: ["ES2024"],
      module: "NodeNext",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
      types: ["node"]
    },
    include: ["*.ts"]
  }),
  "smoke.js": `
import * as core from "@effect-jumpstarter/core"
import * as drivers from "@effect-jumpstarter/core/drivers"
import * as testing from "@effect-jumpstarter/core/testing"
import assert from "node:assert/strict"

const check = async (barrel, path, names) => {
  assert.deepEqual(Object.keys(barrel).sort(), [...names].sort())
  for (const name of names) {
    const module = await import(path + name)
    assert.deepEqual(Object.keys(barrel[name]).sort(), Object.keys(module).sort(), name)
    for (const key of Object.keys(module)) assert.equal(barrel[name][key], module[key], name + "." + key)
  }
}
await check(core, "@effect-jumpstarter/core/", ${JSON.stringify(coreModules)})
await check(drivers, "@effect-jumpstarter/core/drivers/", ${JSON.stringify(driverModules)})
await check(testing, "@effect-jumpstarter/core/testing/", ${JSON.stringify(testingModules)})
await import("@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter")
for (const path of ["transport/niceGrpc/transport", "transport/proxy.js", "dist/transport/proxy.js"]) {
  await assert.rejects(import("@effect-jumpstarter/core/" + path), /ERR_PACKAGE_PATH_NOT_EXPORTED|Cannot find module/, path)
}
const counts = [core, drivers, testing].map((barrel) => Object.keys(barrel).length)
console.log("modules, drivers and testing modules load:", ...counts)
`,
  "consumer.ts": `
import type * as core from "@effect-jumpstarter/core"
import type * as drivers from "@effect-jumpstarter/core/drivers"
import type * as testing from "@effect-jumpstarter/core/testing"
import type * as proto from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
// @ts-expect-error private modules are not exported
import type * as hidden from "@effect-jumpstarter/core/transport/proxy"

export type Surface = [typeof core, typeof drivers, typeof testing, typeof proto, typeof hidden]
`
}
mkdirSync(consumer)
for (const [name, text] of Object.entries(files)) writeFileSync(join(consumer, name), text)
// Installs what the README says, but takes our own packages from the tarballs.
const commands = (file) =>
  Array.from(
    readFileSync(join(root, file), "utf8").matchAll(/^npm install (.*)$/gm),
    ([, args]) =>
      args
        .replace(/"\$CLONE\/build\/proto\.tgz" "\$CLONE\/build\/core\.tgz"/, "@effect-jumpstarter/core")
        .split(" ")
        .flatMap((arg) => arg === "@effect-jumpstarter/core" ? [tarball("proto"), tarball("core")] : [arg])
  )
const [first, ...others] = ["README.md", "packages/core/README.md"].map(commands)
if (first.length === 0 || others.some((other) => String(other) !== String(first))) {
  console.error("\nFailed: the READMEs give different install commands")
  process.exit(1)
}
const quiet = ["--no-audit", "--no-fund", "--ignore-scripts"]
for (const args of first) {
  run(`npm install ${args.join(" ")}`, consumer, "npm", "install", ...quiet, ...args)
}

// Every linked file must be inside the package, because the package names no other place for it.
const dead = ["core", "proto"].flatMap((name) => {
  const directory = join(consumer, "node_modules/@effect-jumpstarter", name)
  const pages = readdirSync(directory, { recursive: true }).filter((file) => /^(?:docs\/)?[\w-]+\.md$/.test(file))
  return pages.flatMap((page) =>
    Array.from(
      readFileSync(join(directory, page), "utf8").matchAll(/\]\((?![a-z]+:|#)([^()\s#]+)/g),
      ([, link]) => link
    )
      .filter((link) => !existsSync(join(directory, dirname(page), link)))
      .map((link) => `${name}/${page} links to ${link}`)
  ).concat(
    pages.includes("README.md") && (name !== "core" || pages.includes("docs/README.md")) ? [] : `${name} lacks pages`
  )
})
if (dead.length > 0) {
  console.error(`\nFailed: links that lead out of a package\n${dead.join("\n")}`)
  process.exit(1)
}

run("import every module", consumer, process.execPath, "smoke.js")
run("compile against the declarations", consumer, bin("tsc"))
run("the template of a project", root, process.execPath, "scripts/template-check.mjs", temp)

// -- a directory with nothing but the command line

const empty = join(temp, "empty")
mkdirSync(empty)
writeFileSync(join(empty, "package.json"), JSON.stringify({ private: true }))
run("npm install the command line", empty, "npm", "install", ...quiet, tarball("cli"))
const environment = spawnSync(process.execPath, [join(root, "scripts/interop.mjs")], { encoding: "utf8" })
const python = environment.stdout.trim().split("\n").at(-1)
if (environment.status === 0) {
  run("drive a Python exporter", empty, process.execPath, join(root, "packages/cli/test/packed.mjs"), python, consumer)
} else {
  console.error(`\n*** WITHOUT PYTHON, THE PACKED COMMAND LINE DRIVES NO EXPORTER. ***\n${environment.stderr}`)
  if (process.env.CI === "true") process.exit(1)
}
console.log("\nThe packages are fit to publish.")
