// Our exporter registers with the stand-in of a controller on TLS, and Python's own programs lease it: `jmp get exporters` shows it,
// `jmp shell` runs a program against it, and the log of its hooks is there.
import { type Command, type CommandExecutor, FileSystem, type Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, type Scope } from "effect"
import { dirname } from "node:path"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as ExporterRegistration from "../../src/registration/ExporterRegistration.ts"
import * as jmp from "../support/jmp.ts"
import * as python from "../support/python.ts"
import * as pythonBoard from "../support/pythonBoard.ts"

const labels = { board: "rpi4" }

const make = Effect.gen(function*() {
  const { command, home, lab, write } = yield* jmp.make()
  yield* write(yield* lab.addClient("alice"), { drivers: { allow: [], unsafe: true } })
  const shell = (target: ReadonlyArray<string>, ...program: ReadonlyArray<string>) =>
    command(
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
  return { lab, command, home, shell }
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

const [interpreter] = python.script("")

// What `jumpstarter-testing` does before a test, too.
const switching = `
from jumpstarter.utils.env import env
with env() as client:
    client.power.on()
    client.power.off()
`

const bySelector = ["--selector", "board=rpi4"]

const simple = Driver.make({
  client: "jumpstarter_driver_power.client.PowerClient",
  driverType: "power",
  methods: { on: Driver.call(() => Effect.log("relay closed")), off: Driver.call(() => Effect.log("relay opened")) }
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

  test("by selector: power, console, flashing, storage, a forwarded port, failures and logs", () =>
    Effect.gen(function*() {
      const { home, lab, shell } = yield* make
      const { drivers, supply } = yield* pythonBoard.make
      yield* lab.hostExporter("bench", drivers, { labels })
      const report = `${home}/report`
      yield* succeeds(
        shell(bySelector, "sh", "-c", `exec ${python.drive().join(" ")} "$JUMPSTARTER_HOST" > ${report}`)
      )
      const output = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(report))
      pythonBoard.check(yield* pythonBoard.reported(output), yield* supply.events)
      const [lease] = yield* eventually(lab.leases, ([lease]) => lease?.ended === true)
      assert.deepInclude(lease, { client: "alice", exporter: "bench", reason: "Released" })
      yield* eventually(lab.exporters, ([exporter]) => exporter?.status === "AVAILABLE")
    }))

  test("by name, with the log of hooks and drivers", () =>
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
        shell(["--name", "bench"], ...python.script(switching))
      )
      const output = stdout + stderr
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

  // `jmp shell` looks at its lease every 5 seconds, and does not learn of a failure that comes before it has connected.
  const failing = Effect.zipRight(
    Effect.delay(Effect.log("no power at all"), "8 seconds"),
    Effect.fail(new Error("the fuse has blown"))
  )

  test("goes on with a warning after a failed hook that warns", () =>
    Effect.gen(function*() {
      const { lab, shell } = yield* make
      yield* lab.hostExporter("bench", { power: simple }, { labels, hooks: { beforeLease: { run: failing } } })
      const { stderr, stdout } = yield* succeeds(shell(bySelector, "j", "power", "on"))
      assert.include(stdout + stderr, "no power at all")
      assert.include(stdout + stderr, "the fuse has blown")
    }))

  for (const onFailure of ["endLease", "exit"] as const) {
    test(`ends the lease after a failed hook with ${onFailure}`, () =>
      Effect.gen(function*() {
        const { lab, shell } = yield* make
        const { ended } = yield* lab.hostExporter("bench", { power: simple }, {
          labels,
          hooks: { beforeLease: { run: failing, onFailure } }
        })
        const { code, stderr, stdout } = yield* jmp.run(shell(bySelector, "j", "power", "on"))
        assert.notStrictEqual(code, 0)
        assert.include(stdout + stderr, "the fuse has blown")
        yield* eventually(lab.leases, ([lease]) => lease?.ended === true)
        if (onFailure === "exit") assert.strictEqual((yield* Effect.flip(ended))._tag, "HookFailed")
        else yield* eventually(lab.exporters, ([exporter]) => exporter?.status === "AVAILABLE")
      }))
  }
})
