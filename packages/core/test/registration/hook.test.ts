// What hooks have, as effects and as scripts: the drivers, the facts of the lease, a log that clients read while they run, and an end.
import { Command } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Deferred, Effect, Fiber, Redacted, type Scope, Stream } from "effect"
import { chmod, readFile, stat, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
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

interface Ways {
  /** Where the script comes from: the configuration, or the program. */
  readonly from?: "configuration" | "program"
  /** Variables of this process, while the script runs. */
  readonly variables?: (token: string) => Readonly<Record<string, string>>
}

/** Sets variables of this process until the scope closes. */
const withVariables = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => Object.assign(process.env, variables)),
    () => Effect.sync(() => Object.keys(variables).forEach((name) => delete process.env[name]))
  )

/** Runs a script as the hook before a lease, and returns the message of the status that it leaves, and the message of the day. */
const ran = (script: ExporterConfig.HookScript, { from = "configuration", variables = () => ({}) }: Ways = {}) =>
  Effect.gen(function*() {
    const lab = yield* ControllerTest.make()
    const { power } = calls()
    const identity = yield* Effect.orDie(Effect.flatMap(lab.addExporter("rpi"), lab.identityOf))
    const config = { ...identity.config, motd: "Welcome", hooks: { beforeLease: script, afterLease: undefined } }
    yield* withVariables(variables(Redacted.value(config.token)))
    const ready = yield* Deferred.make<string>()
    const hooks = from === "program"
      ? { beforeLease: ExporterRegistration.script(script) }
      : yield* Effect.provideService(ExporterRegistration.configuredHooks, ExporterRegistration.Identity, {
        ...identity,
        config
      })
    const { handlers } = yield* bench.registered(lab, { ...identity, config }, {
      drivers: { power },
      hooks,
      gate: (_, text) =>
        text.startsWith(readyPrefix) ? Deferred.succeed(ready, text.slice(readyPrefix.length)) : Effect.void
    })
    yield* (yield* bench.client(lab)).named("one")
    const message = yield* Deferred.await(ready)
    const { motd } = yield* ExporterConnection.fromChannel(yield* GrpcChannel.fromHandlers(handlers()))
    return { message, motd }
  }).pipe(Effect.scoped)

const readyPrefix = "LEASE_READY: "

/** A pipe, and what was written to it, which is complete when all processes that have it open have ended. */
const openPipe = Effect.gen(function*() {
  const path = join(yield* temporary.directory, "pipe")
  strictEqual(yield* Command.exitCode(Command.make("mkfifo", path)), 0)
  const written = yield* Effect.forkScoped(Command.string(Command.make("cat", path)))
  return {
    path,
    written: Effect.timeoutFail(Fiber.join(written), {
      duration: "5 seconds",
      onTimeout: () => new Error("a process that the script has started still runs")
    })
  }
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

  for (const from of ["configuration", "program"] as const) {
    live(
      `of the ${from} has the facts of the lease and a socket of its own in its environment, and no token`,
      () =>
        Effect.gen(function*() {
          const directory = yield* temporary.directory
          const file = join(directory, "environment")
          const secrets: Array<string> = ["other-token"]
          yield* ran({ script: `env > ${file}; test -S "$JUMPSTARTER_HOST" && echo socket >> ${file}` }, {
            from,
            variables: (token) => {
              secrets.push(token)
              return { JMP_TOKEN: "other-token", LAB_NOTES: `login with ${token}`, LAB_RACK: "7" }
            }
          })
          const text = yield* Effect.promise(() => readFile(file, "utf8"))
          for (
            const line of [
              "LEASE_NAME=one",
              "CLIENT_NAME=bob",
              "JMP_DRIVERS_ALLOW=UNSAFE",
              "TERM=dumb",
              "LAB_RACK=7",
              "socket"
            ]
          ) {
            assertTrue(text.split("\n").includes(line), `${line} is not in ${text}`)
          }
          assertTrue(text.includes(`PATH=${process.env["PATH"] ?? ""}`))
          strictEqual(secrets.length, 2)
          for (const secret of secrets) assertTrue(!text.includes(secret), text)
          const [, socket = ""] = /JUMPSTARTER_HOST=(.*)/.exec(text) ?? []
          const gone = yield* Effect.either(Effect.tryPromise(() => stat(dirname(socket))))
          strictEqual(gone._tag, "Left")
        })
    )
  }

  for (
    const [what, script, motd] of [
      [
        "the text in JMP_MOTD_FILE",
        "printf '\n  rack 7, shelf 2\n\n' > \"$JMP_MOTD_FILE\"",
        "Welcome\nrack 7, shelf 2"
      ],
      ["it when the script fails", "echo no camera today > \"$JMP_MOTD_FILE\"; exit 3", "Welcome\nno camera today"],
      ["64 KiB of it", "head -c 70000 /dev/zero | tr '\\0' x > \"$JMP_MOTD_FILE\"", `Welcome\n${"x".repeat(65_536)}`],
      ["nothing when the script writes nothing", "test -f \"$JMP_MOTD_FILE\"", "Welcome"]
    ] as const
  ) {
    live(`adds to the message of the day ${what}`, () =>
      Effect.gen(function*() {
        strictEqual((yield* ran({ script })).motd, motd)
      }))
  }

  live("may be a file, with its interpreter", () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const file = join(directory, "hook.sh")
      yield* Effect.promise(() => writeFile(file, "test \"$0\" = \"$EXPECTED\" || exit 4\n"))
      yield* Effect.promise(() => chmod(file, 0o600))
      const { message } = yield* ran({ script: ` ${file}\n` }, { variables: () => ({ EXPECTED: file }) })
      strictEqual(message, "Ready for commands")
    }))

  for (const [what, trap] of [["", ""], [" that ignores SIGTERM", "trap '' TERM; "]] as const) {
    live(
      `${what === "" ? "" : "one"}${what} that takes too long ends with everything that it has started`.trim(),
      () =>
        Effect.gen(function*() {
          const { path, written } = yield* openPipe
          const { message } = yield* ran({
            script: `${trap}exec 3> ${path}; sleep 1000 & echo started >&3; wait; sleep 1000`,
            timeout: "1 second"
          })
          strictEqual(message, "[HOOK_WARNING] beforeLease hook warning: Hook timed out after 1 seconds")
          strictEqual(yield* written, "started\n")
        })
    )
  }

  live("that has ended takes along what it left running", () =>
    Effect.gen(function*() {
      const { path, written } = yield* openPipe
      const { message } = yield* ran({ script: `exec 3> ${path}; sleep 1000 & echo started >&3` })
      strictEqual(message, "Ready for commands")
      strictEqual(yield* written, "started\n")
    }))
})
