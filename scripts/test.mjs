// Runs the tests: `node scripts/test.mjs [quick | unit | interop] [vitest options]`. `quick` runs the unit tests without the
// longest files, which vitest.config.ts lists. Without a kind, the interop tests run beside the unit tests if their
// Python environment can be made. With CI=true, or with `interop`, they must run. The conformance suite of gRPC is one of them. It
// needs Go, and is left out without it.
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

/** Runs a script that prepares something, and returns its status and the last line of its output. */
const prepare = (script, ...args) => {
  const { status, stdout } = spawnSync(process.execPath, [join(root, "scripts", script), ...args], {
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
    // interop.mjs has printed the reason. Only a missing environment (2) may be skipped.
    interopFailed = mandatory || status !== 2
    console.error(
      "*** THE INTEROP TESTS DO NOT RUN: this run checks nothing against Jumpstarter's own Python code, " +
        "or against the conformance suite of gRPC. ***"
    )
    if (interopFailed) {
      console.error(
        "*** This is a failure, because CI=true, or the interop tests were requested, or their setup broke. ***"
      )
    }
    projects.splice(projects.indexOf("interop"), 1)
    if (projects.length === 0) process.exit(1)
  }
}

if (projects.includes("interop")) {
  for (
    const [name, variable, what] of [
      ["drivers", "JUMPSTARTER_DRIVERS_PYTHON", "TESTS OF THE PUBLISHED DRIVERS"],
      ["census", "JUMPSTARTER_CENSUS_PYTHON", "CENSUS OF THE PUBLISHED DRIVERS"]
    ]
  ) {
    const { result, status } = prepare("interop.mjs", name)
    if (status === 0) {
      env[variable] = result
    } else {
      // interop.mjs has printed the reason.
      interopFailed ||= mandatory || status !== 2
      console.error(`*** WITHOUT .interop/${name}: NO ${what}. ***`)
    }
  }

  const { result, status } = prepare("conformance.mjs")
  if (status === 0) {
    env.CONFORMANCE_SUITE = result
  } else {
    // conformance.mjs has printed the reason. Without Go (2) the tests may be skipped.
    console.error(
      "*** THE CONFORMANCE TESTS DO NOT RUN: this run checks nothing against the conformance suite of gRPC. ***"
    )
    if (mandatory && status !== 2) {
      interopFailed = true
      console.error("*** This is a failure: Go is there, and CI=true or the interop tests were requested. ***")
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
