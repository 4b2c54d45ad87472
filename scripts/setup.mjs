// Installs the workspace's dependencies when they are missing or out of date, so that `npm run demo` and `npm test`
// work in an empty clone with only Node and npm. The lock file's hash, kept inside node_modules, shows whether
// there is anything to do.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const stampFile = join(root, "node_modules", ".effect-jumpstarter")
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const hash = createHash("sha256")
for (const file of ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"]) {
  hash.update(readFileSync(join(root, file)))
}
const stamp = hash.digest("hex")

if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== stamp) {
  console.error(`Installing dependencies with ${packageManager} (first run only)`)
  const { error, status } = spawnSync("npx", ["--yes", packageManager, "install", "--frozen-lockfile"], {
    cwd: root,
    env: { ...process.env, CI: "true" },
    // Standard output belongs to the command that runs after this one.
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32"
  })
  if (error !== undefined || status !== 0) {
    console.error(`Installing dependencies failed${error === undefined ? "" : `: ${error.message}`}`)
    process.exit(status ?? 1)
  }
  writeFileSync(stampFile, stamp)
}
