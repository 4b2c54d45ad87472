// Makes the Python environments of the interop tests: `node scripts/interop.mjs [venv | drivers | census]...` makes `.interop/NAME`
// for each name, at the same time, and `venv` without a name. Prints a line for each: the path of its Python, or nothing when the
// environment cannot be made; then it exits with 2. The hash of the requirements, kept beside the environment, shows whether there
// is anything to do.
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")

// What each environment holds: its packages, how pip installs them, and what can be imported then.
const environments = {
  venv: {
    file: "requirements.txt",
    imports:
      "grpc, jumpstarter.exporter.session, jumpstarter_cli, jumpstarter_driver_opendal.driver, jumpstarter_testing, serial_asyncio"
  },
  drivers: {
    file: "drivers.txt",
    imports: "grpc, jumpstarter.exporter.session, can, isotp, udsoncan, doipclient, opensomeip"
  },
  // The sources of all driver packages. Nothing of them is imported, so they need none of their libraries.
  census: { file: "census.txt", options: ["--no-deps"], imports: "jumpstarter" }
}
const names = process.argv.length > 2 ? process.argv.slice(2) : ["venv"]
for (const name of names) {
  if (!Object.hasOwn(environments, name)) {
    throw new Error(`${name} is none of ${Object.keys(environments).join(", ")}`)
  }
}

const directory = join(root, ".interop")
const pythonOf = (venv) => join(venv, "bin", "python")

const probe = "import sys; print(*sys.version_info[:2])"

/** The reason for having no interop environment. */
class InteropUnavailable extends Error {
  name = "InteropUnavailable"
}

/** Runs a command. Returns its output if `capture` is set, and otherwise shows it on standard error. */
const run = (command, args, { capture = false } = {}) =>
  new Promise((resolve) => {
    const env = { ...process.env, PIP_NO_INPUT: "1", PIP_DISABLE_PIP_VERSION_CHECK: "1" }
    // A path for another Python would hide or replace the pinned packages.
    delete env.PYTHONPATH
    delete env.PYTHONHOME
    const stdio = capture ? ["ignore", "pipe", "ignore"] : ["ignore", 2, 2]
    const child = spawn(command, args, { cwd: root, env, stdio })
    let stdout = ""
    child.stdout?.on("data", (chunk) => (stdout += chunk))
    child.once("error", () => resolve({ ok: false, stdout }))
    child.once("close", (code) => resolve({ ok: code === 0, stdout }))
  })

const findPython = async () => {
  const candidates = process.env.PYTHON ? [process.env.PYTHON] : ["python3", "python3.13", "python3.12", "python3.11"]
  for (const candidate of candidates) {
    const { ok, stdout } = await run(candidate, ["-c", probe], { capture: true })
    const [major, minor] = stdout.trim().split(" ").map(Number)
    if (ok && (major > 3 || (major === 3 && minor >= 11))) return candidate
  }
  throw new InteropUnavailable(
    `No Python 3.11 or newer found (tried ${candidates.join(", ")}); set PYTHON to choose one.`
  )
}

/** Makes the empty environment and returns the command that installs packages into it. */
const makeVenv = async (systemPython, venv) => {
  const python = pythonOf(venv)
  const fresh = () => rm(venv, { recursive: true, force: true })
  const pip = [python, "-m", "pip"]
  await fresh()
  if ((await run(systemPython, ["-m", "venv", venv])).ok) return pip
  // Debian ships venv without ensurepip unless python3-venv is installed.
  await fresh()
  if ((await run(systemPython, ["-m", "virtualenv", "--quiet", venv])).ok) return pip
  await fresh()
  if (
    (await run(systemPython, ["-m", "venv", "--without-pip", venv])).ok
    && (await run(systemPython, ["-m", "pip", "--python", python, "--version"])).ok
  ) {
    return [systemPython, "-m", "pip", "--python", python]
  }
  await fresh()
  throw new InteropUnavailable(
    `${systemPython} cannot make a virtual environment: venv (with ensurepip), virtualenv and pip are all missing or`
      + " broken. On Debian and Ubuntu: apt-get install python3-venv"
  )
}

const alive = (pid) => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === "EPERM"
  }
}

/** Holds a lock file while `body` runs, so that parallel test processes make the environment once. */
const locked = async (lockFile, body) => {
  await mkdir(directory, { recursive: true })
  const deadline = Date.now() + 600_000
  for (;;) {
    try {
      await writeFile(lockFile, String(process.pid), { flag: "wx" })
      break
    } catch (error) {
      if (error.code !== "EEXIST") throw error
    }
    const owner = Number(await readFile(lockFile, "utf8").catch(() => ""))
    if (owner > 0 && !alive(owner)) await rm(lockFile, { force: true })
    else if (Date.now() < deadline) await setTimeout(200)
    else throw new InteropUnavailable(`${lockFile} is still locked; remove the file if no other test run uses it.`)
  }
  try {
    return await body()
  } finally {
    await rm(lockFile, { force: true })
  }
}

const isCurrent = async (python, stampFile, stamp) =>
  existsSync(python) && (await readFile(stampFile, "utf8").catch(() => "")) === stamp
  && (await run(python, ["-c", probe], { capture: true })).ok

/** Returns the path of the environment's Python. Makes the environment if it is missing or out of date. */
const ensure = async (name) => {
  const { file, imports, options = [] } = environments[name]
  const requirements = join(root, "interop", file)
  const venv = join(directory, name)
  const python = pythonOf(venv)
  const stampFile = join(venv, ".stamp")
  const stamp = createHash("sha256").update(await readFile(requirements)).digest("hex")
  if (await isCurrent(python, stampFile, stamp)) return python
  return locked(join(directory, `${name}.lock`), async () => {
    if (await isCurrent(python, stampFile, stamp)) return python
    const systemPython = await findPython()
    console.error(`Making the Python environment .interop/${name} (first run only)`)
    const pip = await makeVenv(systemPython, venv)
    const install = async (command, ...packages) => {
      const args = ["install", "--quiet", "--prefer-binary", ...packages]
      if (!(await run(command[0], [...command.slice(1), ...args])).ok) {
        throw new InteropUnavailable(`Installing interop/${file} failed; is the Python package index reachable?`)
      }
    }
    // The pip that comes with Python 3.11 takes twice as long.
    await install(pip, "pip==26.3")
    await install([python, "-m", "pip"], ...options, "--requirement", requirements)
    if (!(await run(python, ["-c", `import ${imports}`])).ok) {
      throw new InteropUnavailable(`The packages of interop/${file} are installed but cannot be imported.`)
    }
    await writeFile(stampFile, stamp)
    return python
  })
}

// Each environment is made to its end, whatever becomes of the others.
const results = await Promise.allSettled(names.map(ensure))
const reasons = new Map()
results.forEach(({ reason, value = "" }, index) => {
  console.log(value)
  if (reason === undefined) return
  if (!(reason instanceof InteropUnavailable)) throw reason
  reasons.set(reason.message, [...(reasons.get(reason.message) ?? []), `.interop/${names[index]}`])
})
for (const [message, places] of reasons) {
  console.error(`\n*** NO PYTHON ENVIRONMENT ${places.join(", ")} ***\n${message}\n`)
}
if (reasons.size > 0) process.exitCode = 2
