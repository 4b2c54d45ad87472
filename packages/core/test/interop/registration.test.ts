// Our exporter registers with the stand-in of a controller on TLS, and Python's own programs lease it: `jmp get exporters` shows it,
// `jmp shell` runs pytest and other programs against it, and the log of its hooks is there.
import { Command, type CommandExecutor, FileSystem, type Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, type Scope, Stream } from "effect"
import { dirname } from "node:path"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as ExporterRegistration from "../../src/registration/ExporterRegistration.ts"
import * as jmp from "../support/jmp.ts"
import * as python from "../support/python.ts"
import * as pythonBoard from "../support/pythonBoard.ts"

const labels = { board: "rpi4" }

const make = Effect.gen(function*() {
  const made = yield* jmp.make()
  const { command, hurried, lab, write } = made
  yield* write(yield* lab.addClient("alice"), { drivers: { allow: [], unsafe: true } })
  const shellOf = (jmp: typeof command) => (target: ReadonlyArray<string>, ...program: ReadonlyArray<string>) =>
    jmp(
      "shell",
      "--client",
      "alice",
      ...target,
      "--duration",
      "10m",
      "--exporter-logs",
      "--retry-timeout",
      "0",
      "--",
      ...program
    )
  return { ...made, shell: shellOf(command), hurriedShell: shellOf(hurried) }
})

const succeeds = (command: Command.Command) =>
  Effect.map(jmp.run(command), ({ code, stderr, stdout }) => {
    assert.strictEqual(code, 0, `${stdout}\n${stderr}`)
    return { stdout, stderr }
  })

const test = <E>(
  name: string,
  body: () => Effect.Effect<
    void,
    E,
    CommandExecutor.CommandExecutor | FileSystem.FileSystem | Path.Path | Scope.Scope
  >
) =>
  it.scopedLive(
    name,
    () => body().pipe(Effect.provide(NodeContext.layer), Effect.provide(Logger.remove(Logger.defaultLogger))),
    120_000
  )

const [interpreter] = python.jmp()

const bySelector = ["--selector", "board=rpi4"]

const simple = Driver.make({
  client: "jumpstarter_driver_power.client.PowerClient",
  driverType: "power",
  methods: {
    on: Driver.call(() => Effect.log("relay closed")),
    off: Driver.call(() => Effect.log("relay opened")),
    read: Driver.streamingCall(() => Stream.make({ voltage: 5, current: 2 }))
  }
})

const eventually = <A>(look: Effect.Effect<A>, is: (a: A) => boolean): Effect.Effect<A> =>
  Effect.flatMap(look, (a) => is(a) ? Effect.succeed(a) : Effect.delay(eventually(look, is), "50 millis"))

describe("our exporter, leased by Python's programs", () => {
  test("is shown with its status and labels", () =>
    Effect.gen(function*() {
      const { command, lab } = yield* make
      yield* lab.hostExporter("bench", { power: simple }, { labels })
      const { stdout } = yield* succeeds(command("get", "exporters", "--client", "alice", "--with", "status"))
      assert.match(stdout, /bench .*AVAILABLE.*board=rpi4/i)
      const online = yield* succeeds(command("get", "exporters", "--client", "alice", "--with", "online", "-o", "yaml"))
      assert.match(online.stdout, /online: true/)
    }))

  test("by selector: a pytest, which flashes 64 MiB, and everything else that Python's clients can do", () =>
    Effect.gen(function*() {
      const { home, lab, shell } = yield* make
      const { drivers, supply } = yield* pythonBoard.make
      yield* lab.hostExporter("bench", drivers, { labels })
      const report = `${home}/report`
      const commands = [`${python.drive().join(" ")} "$JUMPSTARTER_HOST" > ${report}`, python.pytest().join(" ")]
      const { stdout } = yield* succeeds(shell(bySelector, "sh", "-c", commands.join(" && ")))
      assert.match(stdout, /\b5 passed\b/)
      const output = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(report))
      const events = yield* supply.events
      pythonBoard.check(yield* pythonBoard.reported(output), events.slice(0, 4))
      assert.deepStrictEqual(events.slice(4).map(({ _tag }) => _tag), ["on", "off", "on", "off"])
      const [lease] = yield* eventually(lab.leases, ([lease]) => lease?.ended === true)
      assert.deepInclude(lease, { client: "alice", exporter: "bench", reason: "Released" })
      yield* eventually(lab.exporters, ([exporter]) => exporter?.status === "AVAILABLE")
    }))

  test("by name: a pytest, with the log of hooks and drivers", () =>
    Effect.gen(function*() {
      const { lab, shell } = yield* make
      const powerOff = Effect.gen(function*() {
        const { client } = yield* ExporterRegistration.CurrentLease
        yield* Effect.log(`switching off for ${client}`)
        yield* Effect.orDie(Effect.flatMap(ExporterConnection.driver("power"), (power) => power.call("off")))
      })
      yield* lab.hostExporter("bench", { power: simple }, {
        labels,
        hooks: { beforeLease: { run: Effect.log("getting ready") }, afterLease: { run: powerOff } }
      })
      const { stderr, stdout } = yield* succeeds(
        shell(["--name", "bench"], ...python.pytest("-k", "power"))
      )
      const output = stdout + stderr
      assert.match(output, /\b1 passed\b/)
      for (const line of ["getting ready", "relay closed", "switching off for alice", "relay opened"]) {
        assert.include(output, line)
      }
    }))

  test("runs a script as its hook, which uses `j` at a socket of its own", () =>
    Effect.gen(function*() {
      const { lab, shell } = yield* make
      const script = ExporterRegistration.script({
        script: `PATH=${dirname(interpreter)}:$PATH; j power on && echo "prepared for $CLIENT_NAME under $LEASE_NAME"`
      })
      yield* lab.hostExporter("bench", { power: simple }, { labels, hooks: { beforeLease: script } })
      const { stderr, stdout } = yield* succeeds(shell(bySelector, "j", "power", "off"))
      assert.match(stdout + stderr, /relay closed[^]*prepared for alice under [0-9a-f-]+[^]*relay opened/)
    }))

  // gRPC's C core gives a connection 20 seconds. In this `jmp` it gives it 3.
  const impatient = Command.env({ HURRIED_CONNECT: "3" })

  const slow = 6

  test("waits for a hook that takes longer than gRPC waits for a connection", () =>
    Effect.gen(function*() {
      const { hurriedShell, lab } = yield* make
      const beforeLease = { run: Effect.delay(Effect.log("everything is ready"), `${slow} seconds`) }
      yield* lab.hostExporter("bench", { power: simple }, { labels, hooks: { beforeLease } })
      const { stderr, stdout } = yield* succeeds(impatient(hurriedShell(bySelector, "j", "power", "on")))
      assert.match(stdout + stderr, /everything is ready[^]*relay closed/)
    }))

  test("does not wait for such a hook of Python's exporter, which lets no client in before (protocol.md 12.5)", () =>
    Effect.gen(function*() {
      const { exporter, hurriedShell, lab, write } = yield* make
      yield* write(yield* lab.addExporter("bench", { labels }), {
        export: { power: { type: "jumpstarter_driver_power.driver.MockPower" } },
        hooks: { beforeLease: { script: `sleep ${slow}`, timeout: 30 } }
      })
      yield* exporter("bench")
      yield* eventually(lab.exporters, ([exporter]) => exporter?.status === "AVAILABLE")
      const { code, stderr, stdout } = yield* jmp.run(impatient(hurriedShell(bySelector, "j", "power", "on")))
      assert.notStrictEqual(code, 0)
      assert.include(stdout + stderr, "Exporter bench unreachable")
    }))

  // `jmp shell` does not learn of a failure that comes before it has connected.
  const failing = Effect.zipRight(
    Effect.delay(Effect.log("no power at all"), "4 seconds"),
    Effect.fail(new Error("the fuse has blown"))
  )

  test("goes on with a warning after a failed hook that warns", () =>
    Effect.gen(function*() {
      const { hurriedShell, lab } = yield* make
      yield* lab.hostExporter("bench", { power: simple }, { labels, hooks: { beforeLease: { run: failing } } })
      const { stderr, stdout } = yield* succeeds(hurriedShell(bySelector, "j", "power", "on"))
      assert.include(stdout + stderr, "no power at all")
      assert.include(stdout + stderr, "the fuse has blown")
    }))

  for (const onFailure of ["endLease", "exit"] as const) {
    test(`ends the lease after a failed hook with ${onFailure}`, () =>
      Effect.gen(function*() {
        const { hurriedShell, lab } = yield* make
        const { ended } = yield* lab.hostExporter("bench", { power: simple }, {
          labels,
          hooks: { beforeLease: { run: failing, onFailure } }
        })
        const { code, stderr, stdout } = yield* jmp.run(hurriedShell(bySelector, "j", "power", "on"))
        assert.notStrictEqual(code, 0)
        assert.include(stdout + stderr, "the fuse has blown")
        yield* eventually(lab.leases, ([lease]) => lease?.ended === true)
        if (onFailure === "exit") assert.strictEqual((yield* Effect.flip(ended))._tag, "HookFailed")
        else yield* eventually(lab.exporters, ([exporter]) => exporter?.status === "AVAILABLE")
      }))
  }
})
