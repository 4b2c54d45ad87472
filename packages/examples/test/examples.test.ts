import { Endpoint } from "@effect-jumpstarter/core"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, inject, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as EmbeddedExporter from "../src/demo/EmbeddedExporter.ts"

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

declare module "vitest" {
  interface ProvidedContext {
    /** The directory of the bundles that packages/core/test/support/programs.ts makes. */
    readonly programs: string
  }
}

// Runs a bundled program of `src` in its own process.
const run = (name: string, args: ReadonlyArray<string> = [], env: Record<string, string> = {}) =>
  Effect.async<Outcome>((resume) => {
    const { JUMPSTARTER_HOST: _, ...environment } = process.env
    const child = execFile(
      process.execPath,
      [join(inject("programs"), "examples", `${name}.mjs`), ...args],
      { cwd: fileURLToPath(new URL("..", import.meta.url)), env: { ...environment, ...env } },
      (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }))
    )
    return Effect.sync(() => child.kill())
  })

const plain = (text: string) => {
  assert.notInclude(text, "\x1b")
  assert.notInclude(text, "\r")
  assert.isAtMost(Math.max(...text.split("\n").map((line) => line.length)), 80)
}

const leftovers = () => readdirSync(tmpdir()).filter((name) => /^jumpstarter-(demo|image)-/.test(name))

describe("demo", () => {
  it.live("tours the embedded exporter, and leaves no files behind", () =>
    Effect.gen(function*() {
      const before = leftovers()
      const { code, stderr, stdout } = yield* run("demo")
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      for (
        const line of [
          /└─ storage {2}FlasherClient/,
          /INFO {2}DRIVER power\.on: output on, 12\.0 V/,
          /peak {2}\d\.\d\d A/,
          /│ => printenv bootargs/,
          /│ Linux 6\.12\.0-demo aarch64/,
          /flash 100 % \(\d+\.\d of \d+\.\d MB\) at \d+\.\d MB\/s in \d\.\d s/,
          /✓ read back unchanged, with the same sha256/,
          /✗ DriverError\n {4}code {5}INTERNAL\n {4}origin {3}driver\n/,
          /✗ InvalidArgument\n {4}code {5}INVALID_ARGUMENT\n {4}origin {3}client\n {4}path {5}\[0\]\.channels\[1\]\n/,
          /now {2}0\.00 A/,
          /✓ Done: 56 readings/
        ]
      ) assert.match(stdout, line)
      plain(stdout)
      assert.deepStrictEqual(leftovers().filter((name) => !before.includes(name)), [])
    }), 60_000)

  it.scopedLive(
    "reads the exporter of JUMPSTARTER_HOST, and writes only to the allowed drivers",
    () =>
      Effect.gen(function*() {
        const endpoint = yield* EmbeddedExporter.serve
        const env = { JUMPSTARTER_HOST: Endpoint.format(endpoint) }

        const looked = yield* run("demo", [], env)
        assert.deepStrictEqual({ code: looked.code, stderr: looked.stderr }, { code: 0, stderr: "" })
        assert.match(looked.stdout, /Only reading\./)
        assert.match(looked.stdout, /read 0\.00 V 0\.00 A/)
        assert.match(looked.stdout, /flashed only with --write=storage\n/)
        assert.notMatch(looked.stdout, /output on|writing/)
        assert.match(looked.stdout, /✓ Done: 4 drivers, 3 of them/)
        plain(looked.stdout)

        const wrote = yield* run("demo", ["--write=power"], env)
        assert.strictEqual(wrote.code, 0)
        assert.match(wrote.stdout, /Writing to power, and only reading the other drivers\./)
        assert.match(wrote.stdout, /output on, 12\.0 V[^]*output off/)
        assert.match(wrote.stdout, /flashed only with --write=storage\n/)
      }).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )

  it.live(
    "leases a board that is in use, and shows what happens when the lease is taken away",
    () =>
      Effect.gen(function*() {
        const { code, stderr, stdout } = yield* run("demo", ["--lease"])
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        for (
          const line of [
            /→ Waiting, NotAvailable\n {2}the colleague is done\n[^]*→ Acquired, rack-7\n/,
            /INFO {2}BEFORE_LEASE_HOOK: the board was reset for its next …\n[^]*→ Connected\n/,
            /now {7}12\.00 V, \d\.\d\d A/,
            /it lasts for another 45 minutes/,
            /✗ power\.read\(\): ConnectionLost, origin transport\n {4}cause {2}LeaseEnded: Deleted\n/,
            /✗ power\.off\(\): ConnectionLost, origin client\n {4}cause {2}LeaseEnded: Deleted\n/,
            /✓ Done: 0 leases are left\./
          ]
        ) assert.match(stdout, line)
        // The colleague's lease has had the hook as well.
        assert.strictEqual(stdout.split("BEFORE_LEASE_HOOK").length, 2)
        plain(stdout)
      }),
    60_000
  )

  it.live("prints the reason when it cannot connect", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* run("demo", [], { JUMPSTARTER_HOST: "/nowhere/exporter.sock" })
      assert.strictEqual(code, 1)
      assert.match(stdout, /✗ ConnectError: .*\/nowhere\/exporter\.sock/)
    }), 30_000)
})

describe("examples", () => {
  const examples: Record<string, RegExp> = {
    power: /voltage: 5, current: 2/,
    console: /^2025\.04\n$/,
    host:
      /^3000 rpm\ncall fan\.set_speed was refused for its arguments \(INVALID_ARGUMENT, .*\): the fan does not turn backwards\n$/,
    promises: /^stored console=ttyS0\nDriverError: call flasher\.dump failed \(INTERNAL.*\): boot was never flashed\n$/,
    flash: /^stored 18893 bytes\ncall flasher\.dump failed \(INTERNAL\): boot was never flashed\n$/,
    lend: new RegExp(
      "^  relay opened for a lease, or for the first report\n  relay released\n  relay opened for a lease, or for the first report\n" +
        "  relay on\nthe board was leased by client\n  relay off\n  relay released\n$"
    ),
    boards: /^leased gateway-1 and sensor-7\nthe sensor draws 0\.2 A\n$/,
    logs: /^memory WARN sensor\.calibrate: the reference is 0\.2 V off\n$/,
    // The exporter's span ends before the client's span.
    tracing:
      /name: 'call power\.on',\n.*\n {2}kind: 1,[^]*name: 'call power\.on',\n.*\n {2}kind: 2,[^]*the relay is stuck\n$/
  }
  for (const [name, expected] of Object.entries(examples)) {
    it.live(name, () =>
      Effect.gen(function*() {
        const { code, stdout } = yield* run(name)
        assert.strictEqual(code, 0)
        assert.match(stdout, expected)
      }), 30_000)
  }

  it.scopedLive(
    "power uses the exporter of `jmp shell`, and prints its name, lease and labels",
    () =>
      Effect.gen(function*() {
        const endpoint = yield* EmbeddedExporter.serve
        const { code, stdout } = yield* run("power", [], {
          JUMPSTARTER_HOST: Endpoint.format(endpoint),
          JMP_EXPORTER: "bench-3",
          JMP_LEASE: "nightly",
          JMP_EXPORTER_LABELS: "board=rpi4,rack=2"
        })
        assert.strictEqual(code, 0)
        for (const text of [/name: 'bench-3'/, /value: 'nightly'/, /board: 'rpi4', rack: '2'/, /voltage: /]) {
          assert.match(stdout, text)
        }
      }).pipe(Effect.provide(NodeContext.layer)),
    30_000
  )

  it.live("benchPage serves no other machine without a token", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* run("benchPage", ["--listen", "0.0.0.0"])
      assert.strictEqual(code, 1)
      assert.include(stdout + stderr, "at 0.0.0.0 others can reach the page, so it needs a token: set BENCH_PAGE_TOKEN")
    }), 30_000)

  it.live("host connects to the address of BENCH_ADDRESS", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* run("host", [], { BENCH_ADDRESS: "tcp://nowhere" })
      assert.strictEqual(code, 1)
      assert.match(stdout, /BENCH_ADDRESS: .*the port is missing; write nowhere:8090/)
    }), 30_000)
})
