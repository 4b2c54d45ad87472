// Checks the .proto files against the published Python package jumpstarter-protocol: builds a descriptor image with buf and passes
// it to descriptors.py.
//
// usage: node packages/proto/test/descriptors.mjs [PYTHON]
//
// PYTHON, or else the environment variable JUMPSTARTER_PYTHON, is an interpreter that has the package installed.
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

const proto = fileURLToPath(new URL("..", import.meta.url))
const python = process.argv[2] ?? process.env.JUMPSTARTER_PYTHON
if (python === undefined || python === "") {
  console.error("usage: node packages/proto/test/descriptors.mjs PYTHON (or set JUMPSTARTER_PYTHON)")
  process.exit(2)
}

const run = (command, args, options) => {
  const { error, status } = spawnSync(command, args, { stdio: "inherit", ...options })
  if (error !== undefined) console.error(`Cannot run ${command}: ${error.message}`)
  return status ?? 1
}

const directory = mkdtempSync(join(tmpdir(), "jumpstarter-descriptors-"))
try {
  const image = join(directory, "image.binpb")
  const bin = join(proto, "node_modules", ".bin")
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` }
  // The interpreter may be a relative path, so only buf runs inside the package.
  process.exitCode = run("buf", ["build", "-o", image], { cwd: proto, env }) ||
    run(python, [fileURLToPath(new URL("descriptors.py", import.meta.url)), image])
} finally {
  rmSync(directory, { recursive: true, force: true })
}
