// Drives the Python exporter of interop/board.py with the command line that is installed in the current directory, as somebody does who
// has only Node: `node packed.mjs PYTHON DIRECTORY`. The library is installed in the other directory. scripts/package-check.mjs runs it.
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

const bin = "node_modules/.bin/effect-jumpstarter"
assert.ok(existsSync(bin), `there is no ${bin}`)

const [, , python, library] = process.argv
const board = spawn(python, [fileURLToPath(new URL("../../../interop/board.py", import.meta.url))], {
  stdio: ["pipe", "pipe", "inherit"]
})
process.on("exit", () => board.kill())

const run = (host, ...words) => {
  const { error, status, stderr, stdout } = spawnSync(bin, words, {
    encoding: "utf8",
    env: { ...process.env, JUMPSTARTER_HOST: host },
    shell: process.platform === "win32",
    timeout: 60_000
  })
  assert.equal(error, undefined)
  console.log(`$ effect-jumpstarter ${words.join(" ")}\n${stdout}${stderr}=> ${status}`)
  return { code: status, out: stdout, err: stderr }
}

const drive = (host) => {
  const tree = run(host, "tree")
  assert.equal(tree.code, 0)
  assert.match(tree.out, /├─ power {4}Power {6}jumpstarter_driver_power\.client\.PowerClient/)

  assert.deepEqual(run(host, "call", "power", "on"), { code: 0, out: "", err: "" })
  const read = run(host, "watch", "power", "read", "--count", "1")
  assert.equal(typeof JSON.parse(read.out).voltage, "number")

  const said = run(
    host,
    "console",
    "serial",
    "--send",
    "version",
    "--expect",
    "/U-Boot (\\S+)\\r\\n=> /",
    "--timeout",
    "30 seconds"
  )
  assert.equal(said.code, 0)
  assert.match(said.out, /U-Boot 2026\.01/)
  const silent = run(host, "console", "serial", "--expect", "never", "--timeout", "1 second")
  assert.equal(silent.code, 5)
  assert.match(silent.err, /^effect-jumpstarter: no match for "never" within 1s on the console "serial".*\n$/)

  const image = Buffer.alloc(1_000_000, "image")
  writeFileSync("image.img", image)
  writeFileSync("image.img.gz", gzipSync(image))
  const sha256 = createHash("sha256").update(image).digest("hex")
  const flashed = run(host, "flash", "flasher", "image.img", "--json")
  assert.equal(flashed.code, 0)
  assert.deepEqual(JSON.parse(flashed.out).sha256, sha256)
  assert.match(flashed.err, /flash 100 % \(1\.0 of 1\.0 MB\)/)
  assert.equal(run(host, "flash", "flasher", "image.img.gz").code, 0)
  // Comparing decodes the image here, with a codec that is a package of its own.
  const bz2 = spawnSync(python, [
    "-c",
    "import bz2; open('image.img.bz2', 'wb').write(bz2.compress(open('image.img', 'rb').read()))"
  ])
  assert.equal(bz2.status, 0)
  const verified = run(host, "flash", "flasher", "image.img.bz2", "--verify")
  assert.equal(verified.code, 0)
  assert.match(verified.out, /read back unchanged/)
  const dumped = run(host, "dump", "flasher", "dump.img", "--json")
  assert.equal(dumped.code, 0)
  assert.equal(JSON.parse(dumped.out).sha256, createHash("sha256").update(readFileSync("dump.img")).digest("hex"))

  // The module has a copy of the library of its own.
  const contract = `
    import { DriverInterface, DriverMethod } from "@effect-jumpstarter/core"
    import { Schema } from "effect"
    export const Supply = DriverInterface.make("jumpstarter_driver_power.client.PowerClient", {
      on: DriverMethod.call(),
      limit: DriverMethod.call({ args: [Schema.Number.pipe(Schema.between(0, 24))] })
    })`
  for (const ending of ["mjs", "ts"]) writeFileSync(`${library}/contracts.${ending}`, contract)
  const own = run(host, "tree", "--contracts", `${library}/contracts.mjs`)
  assert.match(own.out, /power {4}Supply/)
  const beyond = run(host, "call", "power", "limit", "48", "--contracts", `${library}/contracts.mjs`)
  assert.equal(beyond.code, 2)
  assert.match(
    beyond.err,
    /^effect-jumpstarter: argument 1 of power\.limit: expected a number between 0 and 24, actual 48\n$/
  )
  const typed = run(host, "call", "power", "on", "--contracts", `${library}/contracts.ts`)
  if (process.features.typescript) assert.equal(typed.code, 0)
  else {assert.match(
      typed.err,
      /does not load TypeScript; use Node 22\.18 or later, or compile the module to JavaScript\n$/
    )}

  const wrong = run(host, "call", "power", "onn")
  assert.equal(wrong.code, 2)
  assert.match(wrong.err, /^effect-jumpstarter: power is a Power, which has no method onn; .*\n$/)
  const nowhere = run(`${host}.not`, "tree")
  assert.equal(nowhere.code, 3)
  assert.match(nowhere.err, /^effect-jumpstarter: cannot connect .*\n$/)
}

// An agent starts the server, and ends it by closing its input.
const serve = async (host) => {
  const client = new Client({ name: "packed", version: "1" })
  await client.connect(
    new StdioClientTransport({ command: bin, args: ["mcp", "--host", host, "--allow", "power.on"], stderr: "inherit" })
  )
  const { tools } = await client.listTools()
  console.log(`tools: ${tools.map(({ name }) => name).join(" ")}`)
  assert.ok(tools.some(({ name }) => name === "power__on"))
  const call = (name) => client.callTool({ name, arguments: {} })
  assert.deepEqual(await call("power__on"), { content: [{ type: "text", text: "null" }] })
  const { isError } = await call("power__off")
  assert.equal(isError, true)
  await client.close()
}

const [host] = await createInterface({ input: board.stdout })[Symbol.asyncIterator]().next().then((
  { value }
) => [value])
drive(host)
await serve(host)
process.exit(0)
