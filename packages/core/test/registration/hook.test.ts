// What hooks have, as effects and as scripts: the drivers, the facts of the lease, a log that clients read while they run, and an end.
import { NodeContext } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Deferred, Effect, Fiber, Redacted, type Scope, Stream } from "effect"
import { spawnSync } from "node:child_process"
import { chmod, readFile, stat, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { setTimeout } from "node:timers/promises"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as ExporterConfig from "../../src/controller/ExporterConfig.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as ExporterRegistration from "../../src/registration/ExporterRegistration.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { closing, logged } from "../support/leaseBench.ts"
import * as bench from "../support/registrationBench.ts"
import * as temporary from "../support/temporary.ts"

const test = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>) =>
  it.effect(name, () => closing(body()))

const calls = () => {
  const made: Array<string> = []
  const power = Driver.make({
    client: "jumpstarter_driver_power.client.PowerClient",
    driverType: "power",
    methods: {
      on: Driver.call(() => Effect.zipRight(Effect.log("relay closed"), Effect.sync(() => void made.push("on"))))
    }
  })
  return { made, power }
}

describe("a hook", () => {
  test("has the drivers, and the facts of its lease", () =>
    Effect.gen(function*() {
      const { made, power } = calls()
      const facts: Array<unknown> = []
      const run = Effect.gen(function*() {
        const driver = yield* ExporterConnection.driver("power")
        yield* driver.call("on")
        const { client, context, exporter, name } = yield* ExporterRegistration.CurrentLease
        facts.push({ name, client, context, exporter })
      })
      const { lab } = yield* bench.make({
        drivers: { power },
        hooks: { beforeLease: { run: Effect.orDie(run) }, afterLease: { run: Effect.orDie(run) } }
      })
      const bob = yield* bench.client(lab)
      yield* bob.delete(yield* bob.named("one"))
      yield* bench.settled
      deepStrictEqual(made, ["on", "on"])
      const fact = { name: "one", client: "bob", context: {}, exporter: "rpi" }
      deepStrictEqual(facts, [fact, fact])
    }))

  test("logs for the clients of the lease while it runs, beside the drivers that it uses", () =>
    Effect.gen(function*() {
      const { power } = calls()
      const going = yield* Deferred.make<void>()
      const run = Effect.gen(function*() {
        yield* Effect.logWarning("powering up").pipe(Effect.annotateLogs("rail", "5V"))
        yield* Effect.orDie(Effect.flatMap(ExporterConnection.driver("power"), (driver) => driver.call("on")))
        yield* Deferred.await(going)
        yield* Effect.log("done")
      })
      const { handlers, lab } = yield* bench.make({ drivers: { power }, hooks: { beforeLease: { run } } })
      yield* (yield* bench.client(lab)).lease
      yield* bench.settled
      const { logs } = yield* ExporterConnection.fromChannel(yield* GrpcChannel.fromHandlers(handlers()))
      const seen: Array<string> = []
      const reading = yield* Effect.fork(Stream.runForEach(logs, (event) =>
        Effect.sync(() => {
          if (event._tag === "LogEntry") seen.push(`${event.source} ${event.severity} ${event.message}`)
        })))
      yield* bench.settled
      const running = [
        "BEFORE_LEASE_HOOK WARNING powering up",
        "DRIVER INFO Operation started",
        "DRIVER INFO relay closed",
        "DRIVER INFO Operation completed"
      ]
      deepStrictEqual(seen, running)
      yield* Deferred.succeed(going, undefined)
      yield* bench.settled
      deepStrictEqual(seen, [...running, "BEFORE_LEASE_HOOK INFO done"])
      yield* Fiber.interrupt(reading)
    }))

  test("of a configuration file that nothing runs is a warning", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const identity = yield* Effect.orDie(Effect.flatMap(lab.addExporter("rpi"), lab.identityOf))
      const config = yield* Effect.orDie(ExporterConfig.make({
        namespace: "lab",
        name: "rpi",
        endpoint: "controller.memory:443",
        token: identity.config.token,
        hooks: { afterLease: { script: "j power off" } }
      }))
      const lines: Array<string> = []
      yield* bench.registered(lab, { ...identity, config }).pipe(Effect.provide(logged(lines)))
      deepStrictEqual(lines.filter((line) => line.startsWith("WARN")), [
        "WARN the values: hooks.afterLease is not run; pass `hooks: yield* ExporterRegistration.configuredHooks`, or hooks of your own"
      ])
    }))
})

/** Whether a process runs. One that has ended may still wait for a parent that never asks. */
const isAlive = (pid: number): boolean => {
  const { status, stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" })
  return status === 0 && !stdout.trim().startsWith("Z")
}

/** Runs a script as the hook before a lease, and returns the status that it leaves and the lines that it wrote. */
const ran = (script: ExporterConfig.HookScript, token = "secret-token") =>
  Effect.gen(function*() {
    const lab = yield* ControllerTest.make()
    const { power } = calls()
    const identity = yield* Effect.orDie(Effect.flatMap(lab.addExporter("rpi"), lab.identityOf))
    const config = {
      ...identity.config,
      token: identity.config.token,
      hooks: { beforeLease: script, afterLease: undefined }
    }
    const hooks = yield* Effect.provideService(ExporterRegistration.configuredHooks, ExporterRegistration.Identity, {
      ...identity,
      config: { ...config, token: Redacted.make(token) }
    })
    yield* ExporterRegistration.make({ drivers: { power }, hooks, localLogs: false }).pipe(
      Effect.provideService(ExporterRegistration.Identity, { ...identity, config })
    )
    const bob = yield* bench.client(lab)
    const seen = Effect.map(lab.exporters, ([exporter]) => exporter)
    yield* bob.named("one")
    const done = yield* Effect.repeat(Effect.delay(seen, "20 millis"), {
      until: (exporter) => exporter?.status === "LEASE_READY"
    })
    return { message: done?.message ?? "" }
  })

const live = <E>(
  name: string,
  body: () => Effect.Effect<void, E, NodeContext.NodeContext | Scope.Scope>
) => it.scopedLive(name, () => Effect.provide(body(), NodeContext.layer), 30_000)

describe.skipIf(process.platform === "win32")("a script", () => {
  live("succeeds with exit code 0, and fails with another one", () =>
    Effect.gen(function*() {
      strictEqual((yield* ran({ script: "true" })).message, "Ready for commands")
      strictEqual(
        (yield* ran({ script: "exit 3" })).message,
        "[HOOK_WARNING] beforeLease hook warning: Hook failed with exit code 3"
      )
      const { message } = yield* ran({ script: "true", exec: "/no/such/shell" })
      assertInclude(message, "[HOOK_WARNING] beforeLease hook warning: Error executing hook: ")
    }))

  live(
    "has the facts of the lease and a socket of its own in its environment, and no token",
    () =>
      Effect.gen(function*() {
        const directory = yield* temporary.directory
        const file = join(directory, "environment")
        process.env["JMP_TOKEN"] = "other-token"
        process.env["LAB_NOTES"] = "login with secret-token"
        try {
          yield* ran({ script: `env > ${file}; test -S "$JUMPSTARTER_HOST" && echo socket >> ${file}` })
        } finally {
          delete process.env["JMP_TOKEN"]
          delete process.env["LAB_NOTES"]
        }
        const text = yield* Effect.promise(() => readFile(file, "utf8"))
        for (const line of ["LEASE_NAME=one", "CLIENT_NAME=bob", "JMP_DRIVERS_ALLOW=UNSAFE", "TERM=dumb", "socket"]) {
          assertTrue(text.split("\n").includes(line), `${line} is not in ${text}`)
        }
        assertTrue(text.includes(`PATH=${process.env["PATH"] ?? ""}`))
        assertTrue(!text.includes("token"), text)
        const [, socket = ""] = /JUMPSTARTER_HOST=(.*)/.exec(text) ?? []
        const gone = yield* Effect.either(Effect.tryPromise(() => stat(dirname(socket))))
        strictEqual(gone._tag, "Left")
      })
  )

  live("may be a file, with its interpreter", () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const file = join(directory, "hook.sh")
      yield* Effect.promise(() => writeFile(file, "test \"$0\" = \"$EXPECTED\" || exit 4\n"))
      yield* Effect.promise(() => chmod(file, 0o600))
      process.env["EXPECTED"] = file
      strictEqual((yield* ran({ script: ` ${file}\n` })).message, "Ready for commands")
      delete process.env["EXPECTED"]
    }))

  for (const [what, trap] of [["", ""], [" that ignores SIGTERM", "trap '' TERM; "]] as const) {
    live(
      `${what === "" ? "" : "one"}${what} that takes too long ends with everything that it has started`.trim(),
      () =>
        Effect.gen(function*() {
          const directory = yield* temporary.directory
          const file = join(directory, "pids")
          const { message } = yield* ran({
            script: `${trap}sleep 1000 & echo $! $$ > ${file}; wait; sleep 1000`,
            timeout: "1 second"
          })
          strictEqual(message, "[HOOK_WARNING] beforeLease hook warning: Hook timed out after 1 seconds")
          const pids = (yield* Effect.promise(() => readFile(file, "utf8"))).trim().split(" ").map(Number)
          yield* Effect.promise(() => setTimeout(100))
          deepStrictEqual(pids.map(isAlive), [false, false])
        })
    )
  }

  live("that has ended takes along what it left running", () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const file = join(directory, "pids")
      strictEqual((yield* ran({ script: `sleep 1000 & echo $! > ${file}` })).message, "Ready for commands")
      const pid = Number(yield* Effect.promise(() => readFile(file, "utf8")))
      yield* Effect.promise(() => setTimeout(100))
      strictEqual(isAlive(pid), false)
    }))
})
