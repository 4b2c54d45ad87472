// Runs the tests: `node scripts/test.mjs [quick | unit | interop] [vitest options]`. `quick` runs the unit tests without the
// longest files, which vitest.config.ts lists. Without a kind, the interop tests run beside the unit tests if their
// Python environment can be made. With CI=true, or with `interop`, they must run. The conformance suite of gRPC is one of them. It
// needs Go, and is left out without it.
import { spawn, spawnSync } from "node:child_process"
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

/** Runs a script that prepares something, and resolves with its status and the lines of its output. */
const prepare = (script, ...args) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, "scripts", script), ...args], { stdio: ["ignore", "pipe", 2] })
    let stdout = ""
    child.stdout.setEncoding("utf8").on("data", (chunk) => (stdout += chunk))
    child.once("error", reject)
    child.once("close", (status) => resolve({ status, lines: stdout.trimEnd().split("\n") }))
  })

if (projects.includes("interop")) {
  const [environments, conformance] = await Promise.all([
    prepare("interop.mjs", "venv", "drivers", "census"),
    prepare("conformance.mjs")
  ])
  const [venv, drivers, census] = environments.lines

  // interop.mjs has printed the reasons. Only missing environments (2) may be skipped.
  interopFailed = environments.status !== 0 && (mandatory || environments.status !== 2)
  if (venv) {
    env.JUMPSTARTER_PYTHON = venv
    for (
      const [name, variable, what, python] of [
        ["drivers", "JUMPSTARTER_DRIVERS_PYTHON", "TESTS OF THE PUBLISHED DRIVERS", drivers],
        ["census", "JUMPSTARTER_CENSUS_PYTHON", "CENSUS OF THE PUBLISHED DRIVERS", census]
      ]
    ) {
      if (python) env[variable] = python
      else console.error(`*** WITHOUT .interop/${name}: NO ${what}. ***`)
    }
  } else {
    console.error(
      "*** THE INTEROP TESTS DO NOT RUN: this run checks nothing against Jumpstarter's own Python code, " +
        "or against the conformance suite of gRPC. ***"
    )
    projects.splice(projects.indexOf("interop"), 1)
  }
  if (interopFailed) {
    console.error(
      "*** This is a failure, because CI=true, or the interop tests were requested, or their setup broke. ***"
    )
  }
  if (projects.length === 0) process.exit(1)

  if (conformance.status === 0) {
    env.CONFORMANCE_SUITE = conformance.lines.at(-1)
  } else {
    // conformance.mjs has printed the reason. Without Go (2) the tests may be skipped.
    console.error(
      "*** THE CONFORMANCE TESTS DO NOT RUN: this run checks nothing against the conformance suite of gRPC. ***"
    )
    if (mandatory && conformance.status !== 2) {
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
