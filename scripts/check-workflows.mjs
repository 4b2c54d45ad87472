// Checks the workflows of .github with actionlint, which Go builds. Exits with 2 if there is no Go.
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const actionlint = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"

if (spawnSync("go", ["version"], { stdio: "ignore" }).status !== 0) {
  console.error("actionlint needs Go on the PATH; `go` cannot be run.")
  process.exit(2)
}
// It runs shellcheck and pyflakes where they are installed, so that its result would depend on the machine.
const { error, status } = spawnSync("go", ["run", actionlint, "-no-color", "-shellcheck=", "-pyflakes="], {
  cwd: root,
  // The user's settings may place Go inside a module, or make it build for another machine.
  env: { ...process.env, GOFLAGS: "", GOWORK: "off", GOOS: "", GOARCH: "" },
  stdio: ["ignore", "inherit", "inherit"]
})
if (error !== undefined) throw error
if (status !== 0) process.exit(1)
console.log("The workflows of .github have no mistake that actionlint knows.")
