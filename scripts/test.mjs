// Runs the tests: `node scripts/test.mjs [unit | interop] [vitest options]`. Without a word, the interop tests run
// beside the unit tests when their Python environment can be made; with CI=true, or asked for by name, they have to.
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const [first, ...rest] = process.argv.slice(2)
const projects = first === "unit" || first === "interop" ? [first] : ["unit", "interop"]
const options = projects.length === 1 || first === undefined ? rest : [first, ...rest]
const mandatory = first === "interop" || process.env.CI === "true"
const env = { ...process.env }
let interopFailed = false

if (projects.includes("interop")) {
  const { status, stdout } = spawnSync(process.execPath, [join(root, "scripts", "interop.mjs")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status === 0) {
    env.JUMPSTARTER_PYTHON = stdout.trim().split("\n").at(-1)
  } else {
    // interop.mjs has said why. Only a missing environment (2) may be skipped.
    interopFailed = mandatory || status !== 2
    console.error("*** THE INTEROP TESTS DO NOT RUN: nothing is checked against Jumpstarter's own Python code. ***")
    if (interopFailed) {
      console.error("*** That is a failure here (CI=true, or asked for by name, or a broken set-up). ***")
    }
    projects.splice(projects.indexOf("interop"), 1)
    if (projects.length === 0) process.exit(1)
  }
}

const { status } = spawnSync(
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    ...projects.flatMap((name) => ["--project", name]),
    ...options
  ],
  { cwd: root, env, stdio: "inherit" }
)
process.exit(interopFailed ? 1 : status ?? 1)
