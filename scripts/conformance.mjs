// Makes what the conformance tests need: `.interop/connectconformance-VERSION/`, with the program of the conformance suite of
// gRPC and Connect, which Go builds, and the suite's messages, which buf makes of the .proto files in the same Go module.
// Prints the path of that directory as the last line of standard output; exits with 2 when there is no Go, and with 1 when
// there is one that cannot make it. A directory whose stamp is there is complete.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const version = "1.0.7"
const module = "connectrpc.com/conformance"
const interop = join(root, ".interop")
const directory = join(interop, `connectconformance-${version}`)
// What is in the directory is told from what another version of this file made.
const stamp = ".stamp-1"
const limitSeconds = 300

class Failure extends Error {}

/** Runs a command to its end; its output is returned when `capture` is set and shown on standard error otherwise. */
const run = (what, command, args, { capture = false, env = {} } = {}) => {
  const { error, signal, status, stdout } = spawnSync(command, args, {
    // Outside of any Go module, and of the configuration of buf for our own files.
    cwd: interop,
    env: { ...process.env, ...env },
    encoding: "utf8",
    stdio: ["ignore", capture ? "pipe" : 2, 2],
    timeout: limitSeconds * 1_000,
    killSignal: "SIGKILL"
  })
  if (status === 0) return stdout ?? ""
  const reason = error?.code === "ETIMEDOUT"
    ? `it was not done within ${limitSeconds} s`
    : error?.message ?? `it ended with ${status ?? signal}`
  throw new Failure(`${what} failed: ${reason} (${command} ${args.join(" ")}).`)
}

const hasGo = () => spawnSync("go", ["version"], { stdio: "ignore" }).status === 0

const make = (target) => {
  console.error(`Building the conformance suite ${version} of gRPC (first run only)`)
  const source = `${module}@v${version}`
  // A setting of the user's may put what is built elsewhere, or take Go to be inside a module.
  const env = { GOBIN: target, GOFLAGS: "", GOWORK: "off", GOOS: "", GOARCH: "" }
  run("Building it with Go", "go", ["install", `${module}/cmd/connectconformance@v${version}`], { env })
  const { Dir } = JSON.parse(run("Finding its .proto files", "go", ["mod", "download", "-json", source], {
    capture: true,
    env
  }))
  const buf = join(root, "packages", "proto", "node_modules", ".bin", "buf")
  const output = ["--as-file-descriptor-set", "--output", join(target, "messages.binpb")]
  run("Reading its .proto files", buf, ["build", join(Dir, "proto"), ...output])
  writeFileSync(join(target, stamp), "")
}

// Into a directory of its own, which takes its place when it is complete: parallel runs, and one that is stopped, leave
// nothing half made behind.
const ensure = () => {
  if (existsSync(join(directory, stamp))) return
  mkdirSync(interop, { recursive: true })
  const fresh = mkdtempSync(`${directory}-`)
  try {
    make(fresh)
    if (existsSync(join(directory, stamp))) return
    rmSync(directory, { recursive: true, force: true })
    renameSync(fresh, directory)
  } catch (error) {
    // Somebody else may have been faster.
    if (!existsSync(join(directory, stamp))) throw error
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

if (!existsSync(join(directory, stamp)) && !hasGo()) {
  console.error("\n*** NO CONFORMANCE SUITE ***\nIt needs Go 1.26 or newer on the PATH; `go` cannot be run.\n")
  process.exit(2)
}
try {
  ensure()
  console.log(directory)
} catch (error) {
  if (!(error instanceof Failure)) throw error
  console.error(
    `\n*** NO CONFORMANCE SUITE ***\n${error.message}\n` +
      "Go 1.26 or newer is needed, and a Go module proxy that can be reached; `go env GOPROXY` names it.\n"
  )
  process.exit(1)
}
