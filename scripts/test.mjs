// Runs the tests: `node scripts/test.mjs [quick | unit | interop] [vitest options]`. The quick ones are the unit tests without the
// files that take longest, which vitest.config.ts lists. Without a word, the interop tests run among the unit tests when their
// Python environment can be made; with CI=true, or asked for by name, they have to. The conformance suite of gRPC among them
// needs Go, and is left out where there is none.
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const [first, ...rest] = process.argv.slice(2)
const kinds = { quick: ["unit"], unit: ["unit"], interop: ["interop"] }
const projects = Object.hasOwn(kinds, first ?? "") ? kinds[first] : ["unit", "interop"]
const options = projects.length === 1 || first === undefined ? rest : [first, ...rest]
const mandatory = first === "interop" || process.env.CI === "true"
const env = { ...process.env }
if (first === "quick") env.TEST_QUICK = "1"
let interopFailed = false

/** Runs a script that makes something, and answers what the last line of its output says. */
const prepare = (script) => {
  const { status, stdout } = spawnSync(process.execPath, [join(root, "scripts", script)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  return { status, result: stdout.trim().split("\n").at(-1) }
}

if (projects.includes("interop")) {
  const { result, status } = prepare("interop.mjs")
  if (status === 0) {
    env.JUMPSTARTER_PYTHON = result
  } else {
    // interop.mjs has said why. Only a missing environment (2) may be skipped.
    interopFailed = mandatory || status !== 2
    console.error(
      "*** THE INTEROP TESTS DO NOT RUN: nothing is checked against Jumpstarter's own Python code, " +
        "nor against the conformance suite of gRPC. ***"
    )
    if (interopFailed) {
      console.error("*** That is a failure here (CI=true, or asked for by name, or a broken set-up). ***")
    }
    projects.splice(projects.indexOf("interop"), 1)
    if (projects.length === 0) process.exit(1)
  }
}

if (projects.includes("interop")) {
  const { result, status } = prepare("conformance.mjs")
  if (status === 0) {
    env.CONFORMANCE_SUITE = result
  } else {
    // conformance.mjs has said why. Without Go (2) it may be skipped.
    console.error("*** THE CONFORMANCE TESTS DO NOT RUN: nothing is checked against the conformance suite of gRPC. ***")
    if (mandatory && status !== 2) {
      interopFailed = true
      console.error("*** That is a failure here, where there is Go (CI=true, or asked for by name). ***")
    }
  }
}

if (projects.length > 1) {
  env.TEST_BOTH = "1"
  projects.splice(0, projects.length, "both")
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
