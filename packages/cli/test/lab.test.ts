// The commands of a lab, on the stand-in of a controller, which listens on this machine.
import { Driver } from "@effect-jumpstarter/core"
import { ControllerTest } from "@effect-jumpstarter/core/testing"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as mcp from "../src/programs/mcp.ts"
import { Tty } from "../src/Tty.ts"
import { certificate, run, silent, type Terminal } from "./support.ts"

const power = Driver.make({
  client: "jumpstarter_driver_power.client.PowerClient",
  methods: { on: Driver.call(() => Effect.void), off: Driver.call(() => Effect.void) }
})

/** A lab with one board, and the configuration of a client. */
const lab = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const listen = { host: "127.0.0.1", port: 0, certificate: yield* certificate() }
  const control = yield* ControllerTest.make({ latency: "none", listen: { controller: listen, router: listen } })
  yield* control.hostExporter("bench-1", { power }, { labels: { board: "rpi4" } })
  const { endpoint, name, namespace, token } = yield* control.addClient("alice")
  const home = yield* files.makeTempDirectoryScoped()
  yield* files.makeDirectory(`${home}/clients`)
  yield* files.writeFileString(
    `${home}/clients/alice.yaml`,
    JSON.stringify({
      apiVersion: "jumpstarter.dev/v1alpha1",
      kind: "ClientConfig",
      metadata: { namespace, name },
      endpoint,
      token: Redacted.value(token),
      tls: { ca: Buffer.from(listen.certificate.chain).toString("base64") }
    }),
    { mode: 0o600 }
  )
  yield* files.writeFileString(
    `${home}/config.yaml`,
    JSON.stringify({
      apiVersion: "jumpstarter.dev/v1alpha1",
      kind: "UserConfig",
      config: { "current-client": "alice" }
    })
  )
  const environment = { JMP_CLIENT_CONFIG_HOME: home, SHELL: "/bin/sh" }
  return {
    control,
    home,
    run: (words: ReadonlyArray<string>, terminal: Terminal = {}) => run(words, { ...terminal, environment })
  }
}).pipe(Effect.provide(NodeContext.layer))

describe("a lab", () => {
  it.scopedLive("has exporters and leases", () =>
    Effect.gen(function*() {
      const { run } = yield* lab
      const exporters = yield* run(["exporters"])
      assert.deepStrictEqual({ code: exporters.code, err: exporters.err }, { code: 0, err: "" })
      assert.match(exporters.out, /^NAME +ONLINE {2}STATUS +LABELS\nbench-1 +yes +AVAILABLE +.*board=rpi4/)
      const none = yield* run(["exporters", "--selector", "board=none", "--json"])
      assert.strictEqual(none.out, "[]\n")
      const leases = yield* run(["leases"])
      assert.match(leases.out, /^NAME +STATE/)
    }))

  it.scopedLive("gives a lease that is kept, extended, used and released", () =>
    Effect.gen(function*() {
      const { control, run } = yield* lab
      const created = yield* run([
        "lease",
        "create",
        "-l",
        "board=rpi4",
        "--duration",
        "1h",
        "--tag",
        "job=7",
        "--json"
      ])
      assert.strictEqual(created.code, 0, created.err)
      const { name, seconds, tags } = JSON.parse(created.out)
      assert.deepStrictEqual({ seconds, tags }, { seconds: 3_600, tags: { job: "7" } })
      const used = yield* run(["call", "power", "on", "--lease", name])
      assert.strictEqual(used.code, 0, used.err)
      const extended = yield* run(["lease", "extend", name, "--by", "30m", "--json"])
      assert.strictEqual(JSON.parse(extended.out).seconds, 5_400, extended.err)
      const mine = yield* run(["leases", "--mine", "--json"])
      assert.deepStrictEqual(JSON.parse(mine.out).map(({ exporter, state }: never) => ({ exporter, state })), [
        { exporter: "bench-1", state: "ready" }
      ])
      const released = yield* run(["lease", "release", "nobody", name])
      assert.strictEqual(released.code, 4)
      assert.match(released.err, new RegExp(`^released ${name}\neffect-jumpstarter: .*nobody.*\n$`))
      assert.isTrue((yield* control.leases).every(({ ended }) => ended))
    }))

  it.scopedLive("leases a board for one command", () =>
    Effect.gen(function*() {
      const { control, run } = yield* lab
      const { code, err, out } = yield* run(["tree", "--client", "alice", "--selector", "board=rpi4"])
      assert.strictEqual(code, 0, err)
      assert.match(out, /└─ power {2}Power/)
      const leases = yield* control.leases
      assert.strictEqual(leases.length, 1)
      assert.isTrue(leases.every(({ ended }) => ended))
    }))

  it.scopedLive("leases a board for a program, and ends with its exit code", () =>
    Effect.gen(function*() {
      const { control, run } = yield* lab
      const words = ["lease", "shell", "--exporter", "bench-1", "--"]
      const ended = yield* run([
        ...words,
        "sh",
        "-c",
        "test -S \"$JUMPSTARTER_HOST\" && test \"$JMP_EXPORTER\" = bench-1"
      ])
      assert.strictEqual(ended.code, 0, ended.err)
      assert.match(ended.err, /^leased bench-1 as /m)
      const failed = yield* run([...words, "sh", "-c", "exit 42"])
      assert.strictEqual(failed.code, 42)
      const missing = yield* run([...words, "no-such-program"])
      assert.strictEqual(missing.code, 6)
      assert.match(missing.err, /cannot run no-such-program: /)
      assert.isTrue((yield* control.leases).every(({ ended }) => ended))
    }))

  it.scopedLive("leases a board for the session of an agent", () =>
    Effect.gen(function*() {
      const { control, home } = yield* lab
      const [there, here] = InMemoryTransport.createLinkedPair()
      const none = Option.none()
      const serving = yield* Effect.forkScoped(
        mcp.session(there, {
          target: {
            host: none,
            insecure: false,
            ca: none,
            lease: none,
            client: none,
            clientConfig: Option.some(`${home}/clients/alice.yaml`),
            selector: Option.some("board=rpi4"),
            exporter: none,
            duration: none,
            acquisitionTimeout: none
          },
          contracts: [],
          allowWrites: false,
          allow: [],
          allowPath: []
        }).pipe(Effect.provideService(Tty, silent), Effect.provide(NodeContext.layer))
      )
      const client = new Client({ name: "test", version: "1" })
      yield* Effect.promise(() => client.connect(here))
      yield* Effect.promise(() => client.callTool({ name: "exporter__status", arguments: {} }))
      yield* Effect.promise(() => client.callTool({ name: "exporter__tree", arguments: {} }))
      assert.deepStrictEqual((yield* control.leases).map(({ ended }) => ended), [false])
      yield* Effect.promise(() => client.close())
      yield* Fiber.join(serving)
      assert.deepStrictEqual((yield* control.leases).map(({ ended }) => ended), [true])
    }))

  it.scopedLive("says in one line why there is no lease", () =>
    Effect.gen(function*() {
      const { run } = yield* lab
      for (
        const [words, code, line] of [
          [["tree", "-l", "board=none"], 4, /no lease for the selector "board=none" \(Unsatisfiable\)/],
          [["tree", "-l", "board=("], 4, /the selector "board=\(" is invalid at character/],
          [["tree", "--lease", "nobody"], 4, /nobody/],
          [["lease", "release", "nobody"], 4, /nobody/],
          [["lease", "create"], 2, /say which board to lease: --selector LABELS/],
          [["lease", "create", "-l", "a=b", "--duration", "long"], 2, /--duration "long" is not a duration/],
          [["leases", "--client", "bob"], 4, /the client bob has no file/],
          [["leases", "--client", "alice", "--client-config", "x"], 2, /both name a configuration/]
        ] as const
      ) {
        const outcome = yield* run(words)
        const lines = outcome.err.split("\n").filter((text) => text.startsWith("effect-jumpstarter: "))
        assert.strictEqual(lines.length, 1, outcome.err)
        assert.match(lines[0] ?? "", line)
        assert.strictEqual(outcome.code, code, outcome.err)
      }
    }))

  it.scopedLive("is checked by the doctor", () =>
    Effect.gen(function*() {
      const { run } = yield* lab
      const { code, out } = yield* run(["doctor", "--selector", "board=rpi4"])
      assert.strictEqual(code, 0, out)
      assert.match(out, /ok {2}configuration .*alice\.yaml: the client lab\/alice of tls:/)
      assert.match(out, /ok {2}token {10}it expires in /)
      assert.match(out, /ok {2}controller .* answers, with 1 exporter$/m)
      assert.match(out, /ok {2}exporter /)
    }))

  it.scopedLive("refuses --lease with the options of another lease, and a lease with those of an address", () =>
    Effect.gen(function*() {
      const { control, run } = yield* lab
      for (
        const [words, expected] of [
          [
            ["--lease", "one", "--exporter", "bench-1"],
            /--lease names a lease that exists; leave out --selector, --exporter/
          ],
          [
            ["--lease", "one", "--duration", "1h"],
            /--lease names a lease that exists; leave out --selector, --exporter/
          ],
          [["--selector", "board=rpi4", "--insecure"], /leave out --insecure and --ca/]
        ] as const
      ) {
        const { code, err } = yield* run(["tree", ...words])
        assert.strictEqual(code, 2, err)
        assert.match(err, expected)
      }
      assert.deepStrictEqual(yield* control.leases, [])
    }))

  it.scopedLive("waits for a busy board until --acquisition-timeout is over", () =>
    Effect.gen(function*() {
      const { run } = yield* lab
      assert.strictEqual((yield* run(["lease", "create", "--selector", "board=rpi4"])).code, 0)
      const late = ["--selector", "board=rpi4", "--acquisition-timeout", "1s"]
      const tree = yield* run(["tree", ...late])
      assert.strictEqual(tree.code, 4, tree.err)
      assert.match(tree.err, /it had no exporter within 1s \(waitAtMost\): NotAvailable: /)
      const doctor = yield* run(["doctor", ...late])
      assert.strictEqual(doctor.code, 5, doctor.out)
      assert.match(
        doctor.out,
        /PROBLEM {2}exporter .* within 1s .* -> look at .*, or wait longer with --acquisition-timeout/
      )
      const wrong = yield* run(["tree", "--selector", "board=rpi4", "--acquisition-timeout", "soon"])
      assert.strictEqual(wrong.code, 2)
      assert.match(wrong.err, /--acquisition-timeout "soon" is not a duration/)
    }))
})
