// Generates packages/proto/src/generated from the .proto files, offline, with the versions of buf and ts-proto that the lock file
// pins.
//
// usage: node scripts/codegen.mjs [--check]
//
// With --check it writes nothing. It lints the .proto files, and fails when the generated files on disk are out of
// date.
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const proto = join(root, "packages", "proto")
// The output directory of buf.gen.yaml, relative to the package or to another directory.
const generated = join("src", "generated")

const args = process.argv.slice(2)
const check = args.includes("--check")
if (args.some((arg) => arg !== "--check")) {
  console.error("usage: node scripts/codegen.mjs [--check]")
  process.exit(2)
}

const buf = (...args) => {
  const bin = join(proto, "node_modules", ".bin")
  const { error, status } = spawnSync("buf", args, {
    cwd: proto,
    // buf looks for the plugin on the path.
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` },
    stdio: "inherit",
    shell: process.platform === "win32"
  })
  if (error !== undefined) console.error(`Cannot run buf: ${error.message}`)
  return status === 0
}

const filesBelow = (directory) =>
  existsSync(directory)
    ? readdirSync(directory, { recursive: true }).filter((file) => statSync(join(directory, file)).isFile())
    : []

const compare = (fresh, committed) => {
  const files = [...new Set([...filesBelow(fresh), ...filesBelow(committed)])].sort()
  return files.flatMap((file) => {
    if (!existsSync(join(committed, file))) return [`missing: ${file}`]
    if (!existsSync(join(fresh, file))) return [`left over: ${file}`]
    return readFileSync(join(fresh, file)).equals(readFileSync(join(committed, file))) ? [] : [`differs: ${file}`]
  })
}

const main = (temporary) => {
  const target = join(proto, generated)
  const fresh = join(temporary, generated)
  if (check && !buf("lint")) return 1
  // Generate elsewhere first, so that a failure leaves the files on disk unchanged.
  if (!buf("generate", "--output", temporary)) return 1
  if (!check) {
    rmSync(target, { recursive: true, force: true })
    cpSync(fresh, target, { recursive: true })
    return 0
  }
  const differences = compare(fresh, target)
  if (differences.length === 0) return 0
  const name = relative(root, target).split(sep).join("/")
  console.error(`${name} is not up to date; run node scripts/codegen.mjs`)
  for (const difference of differences) console.error(`  ${difference}`)
  return 1
}

const temporary = mkdtempSync(join(tmpdir(), "jumpstarter-codegen-"))
try {
  process.exitCode = main(temporary)
} finally {
  rmSync(temporary, { recursive: true, force: true })
}
