// Runs Effect's own diagnostics, such as floating effects, over the sources of the published packages.
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const options = ["--severity", "error,warning", "--strict", "--format", "text"]

const failed = ["core", "cli"].filter((name) => {
  const { status } = spawnSync(
    join(root, "node_modules/.bin/effect-language-service"),
    ["diagnostics", "--project", `packages/${name}/tsconfig.src.json`, ...options],
    { cwd: root, stdio: "inherit", shell: process.platform === "win32" }
  )
  return status !== 0
})
process.exit(failed.length === 0 ? 0 : 1)
