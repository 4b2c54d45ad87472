// Builds the packages, and packs them as pnpm would publish them. Writes proto.tgz, core.tgz and cli.tgz into a directory: `build`
// by default. npm can install these files.
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const directory = resolve(process.argv[2] ?? join(root, "build"))
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const run = (cwd, command, ...args) => {
  const { error, status } = spawnSync(command, args, {
    cwd,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32"
  })
  if (error !== undefined || status !== 0) {
    console.error(`\nFailed: ${command} ${args.join(" ")}${error === undefined ? "" : ` (${error.message})`}`)
    process.exit(1)
  }
}

for (const name of ["proto", "core"]) {
  for (const output of ["dist", ".tsbuildinfo/build.tsbuildinfo"]) {
    rmSync(join(root, "packages", name, output), { recursive: true, force: true })
  }
}
run(root, join(root, "node_modules", ".bin", "tsc"), "-b", "tsconfig.build.json")
run(root, process.execPath, "scripts/bundle.mjs")
run(root, process.execPath, "scripts/bundle-cli.mjs")
mkdirSync(directory, { recursive: true })
for (const name of ["proto", "core", "cli"]) {
  const file = join(directory, `${name}.tgz`)
  run(join(root, "packages", name), "npx", "--yes", packageManager, "pack", "--silent", "--out", file)
  console.log(file)
}
