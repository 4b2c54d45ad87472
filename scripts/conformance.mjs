// Makes `.interop/connectconformance-VERSION/` for the conformance tests. It has the program of the conformance suite of
// gRPC and Connect, which Go builds, and the suite's messages, which buf makes from the .proto files of the same Go module.
// Prints the path of that directory as the last line of standard output. Exits with 2 if there is no Go, and with 1 if Go
// cannot build the suite. A directory that has the stamp is complete.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const version = "1.0.7"
const module = "connectrpc.com/conformance"
const interop = join(root, ".interop")
const directory = join(interop, `connectconformance-${version}`)
// Another number makes directories of earlier versions of this script invalid.
const stamp = ".stamp-1"
const limitSeconds = 300

class Failure extends Error {}

/** Runs a command to its end. Returns its output if `capture` is set, and otherwise shows it on standard error. */
const run = (what, command, args, { capture = false, env = {} } = {}) => {
  const { error, signal, status, stdout } = spawnSync(command, args, {
    // Outside of any Go module, and of buf's configuration for our own files.
    cwd: interop,
    env: { ...process.env, ...env },
    encoding: "utf8",
    stdio: ["ignore", capture ? "pipe" : 2, 2],
    timeout: limitSeconds * 1_000,
    killSignal: "SIGKILL"
  })
  if (status === 0) return stdout ?? ""
  const reason = error?.code === "ETIMEDOUT"
    ? `it took longer than ${limitSeconds} s`
    : error?.message ?? `it ended with ${status ?? signal}`
  throw new Failure(`${what} failed: ${reason} (${command} ${args.join(" ")}).`)
}

const hasGo = () => spawnSync("go", ["version"], { stdio: "ignore" }).status === 0

const make = (target) => {
  console.error(`Building the conformance suite ${version} of gRPC (first run only)`)
  const source = `${module}@v${version}`
  // The user's settings may redirect the output, or place Go inside a module.
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

// Builds in a temporary directory, and renames it when it is complete, so that parallel and interrupted runs leave
// nothing incomplete behind.
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
    // A parallel run may have been faster.
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
      "It needs Go 1.26 or newer, and a reachable Go module proxy; `go env GOPROXY` names it.\n"
  )
  process.exit(1)
}
