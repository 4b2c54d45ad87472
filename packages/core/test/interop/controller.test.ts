// Python's own programs, from the published packages, use the stand-in of a controller: that is how its truth is held. `jmp run`
// registers and lends a driver, `jmp` asks for exporters and leases, and `jmp shell` drives through the router.
import type { Command, CommandExecutor, FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as jmp from "../support/jmp.ts"

// A stand-in on TLS, and the configuration of a client and an exporter of it.
const start = Effect.gen(function*() {
  const { command, exporter, lab, write } = yield* jmp.make()
  yield* write(yield* lab.addClient("alice"), { drivers: { allow: [], unsafe: true } })
  yield* write(yield* lab.addExporter("bench", { labels: { board: "rpi4" } }), {
    export: { power: { type: "jumpstarter_driver_power.driver.MockPower" } }
  })
  return { lab, command, exporter }
})

const succeeds = (command: Command.Command) =>
  Effect.map(jmp.run(command), ({ code, stderr, stdout }) => {
    assert.strictEqual(code, 0, `${stdout}\n${stderr}`)
    return stdout
  })

// What the stand-in says, as soon as it says so: Python's programs take their time.
const eventually = <A>(look: Effect.Effect<A>, is: (a: A) => boolean): Effect.Effect<A> =>
  Effect.flatMap(look, (a) => is(a) ? Effect.succeed(a) : Effect.delay(eventually(look, is), "50 millis"))

describe("Python's programs", () => {
  const inPython = (
    body: Effect.Effect<void, unknown, CommandExecutor.CommandExecutor | FileSystem.FileSystem | Path.Path>
  ) => Effect.provide(body, NodeContext.layer)

  it.scopedLive(
    "ask for exporters and leases, create them and delete them",
    () =>
      inPython(Effect.scoped(Effect.gen(function*() {
        const { command, lab } = yield* start
        assert.match(yield* succeeds(command("get", "exporters", "--client", "alice")), /bench +board=rpi4/)
        yield* succeeds(
          command("create", "lease", "--client", "alice", "--selector", "board=rpi4", "--duration", "1h", "-o", "yaml")
        )
        const [lease] = yield* eventually(lab.leases, ([lease]) => lease?.reason !== undefined)
        assert.deepInclude(lease, { client: "alice", reason: "Offline", ended: false })
        const name = lease?.name ?? ""
        const listed = yield* succeeds(command("get", "leases", "--client", "alice", "-o", "yaml"))
        assert.include(listed, `name: ${name}`)
        assert.include(listed, "reason: Offline")
        yield* succeeds(command("delete", "leases", "--client", "alice", name))
        assert.deepInclude((yield* eventually(lab.leases, ([lease]) => lease?.ended === true))[0], {
          reason: "Released"
        })
        const refused = yield* jmp.run(command("delete", "leases", "--client", "alice", name))
        assert.notStrictEqual(refused.code, 0)
        assert.include(refused.stderr, "has already been released")
        const wrong = yield* jmp.run(command("create", "lease", "--client", "alice", "-l", "a==b", "--duration", "1h"))
        assert.include(wrong.stderr, "unsupported label selector operator: ==")
      }))),
    120_000
  )

  it.scopedLive("lend a driver and drive it through the router", () =>
    inPython(Effect.scoped(Effect.gen(function*() {
      const { command, exporter, lab } = yield* start
      yield* exporter("bench")
      const bench = eventually(lab.exporters, ([bench]) => bench?.status === "AVAILABLE")
      const [registered] = yield* bench
      assert.deepInclude(registered, { online: true, drivers: 2, message: "Exporter registered and available" })
      yield* succeeds(
        command("shell", "--client", "alice", "--selector", "board=rpi4", "--duration", "10m", "--", "j", "power", "on")
      )
      const [lease] = yield* eventually(lab.leases, ([lease]) => lease?.ended === true)
      assert.deepInclude(lease, { client: "alice", exporter: "bench", reason: "Released" })
      assert.lengthOf(yield* lab.holdings, 1)
      // It cleans up, and waits for the next.
      yield* bench
    }))), 120_000)
})
