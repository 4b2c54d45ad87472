// Python's own programs, from the published packages, use the stand-in of a controller: that is how its truth is held. `jmp run`
// registers and lends a driver, `jmp` asks for exporters and leases, and `jmp shell` drives through the router.
import { ControllerTest } from "@effect-jumpstarter/core/testing"
import { Command, type CommandExecutor, FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import * as certificates from "../support/certificates.ts"
import * as python from "../support/python.ts"

const local = { host: "127.0.0.1", port: 0 } as const

// A stand-in on TLS, and the configuration of a client and an exporter of it.
const start = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { ca, certificate } = yield* certificates.localhost
  const lab = yield* ControllerTest.make({
    listen: { controller: { ...local, certificate }, router: { ...local, certificate } }
  })
  const home = yield* fs.makeTempDirectoryScoped({ prefix: "ej-" })
  const write = Effect.fnUntraced(function*(
    { kind, ...credentials }: ControllerTest.Credentials,
    rest: Readonly<Record<string, unknown>>
  ) {
    const folder = path.join(home, kind === "Client" ? "clients" : "exporters")
    yield* fs.makeDirectory(folder, { recursive: true })
    // JSON is YAML, too.
    yield* fs.writeFileString(
      path.join(folder, `${credentials.name}.yaml`),
      JSON.stringify({
        apiVersion: "jumpstarter.dev/v1alpha1",
        kind: `${kind}Config`,
        metadata: { namespace: credentials.namespace, name: credentials.name },
        endpoint: credentials.endpoint,
        token: Redacted.value(credentials.token),
        tls: { ca: Buffer.from(ca).toString("base64"), insecure: false },
        ...rest
      })
    )
  })
  yield* write(yield* lab.addClient("alice"), { drivers: { allow: [], unsafe: true } })
  yield* write(yield* lab.addExporter("bench", { labels: { board: "rpi4" } }), {
    export: { power: { type: "jumpstarter_driver_power.driver.MockPower" } }
  })
  const jmp = (...args: ReadonlyArray<string>) => {
    const [program, ...before] = python.jmp()
    return Command.make(program, ...before, ...args).pipe(
      Command.env({
        JMP_CLIENT_CONFIG_HOME: home,
        TMPDIR: home,
        PATH: `${path.dirname(program)}:${process.env["PATH"] ?? ""}`,
        COLUMNS: "200"
      })
    )
  }
  return { lab, jmp }
})

const run = (command: Command.Command) =>
  Effect.scoped(Effect.gen(function*() {
    const child = yield* Command.start(Command.stderr(command, "pipe"))
    const [stdout, stderr, code] = yield* Effect.all([
      Stream.mkString(Stream.decodeText(child.stdout)),
      Stream.mkString(Stream.decodeText(child.stderr)),
      child.exitCode
    ], { concurrency: 3 })
    return { stdout, stderr, code: Number(code) }
  }))

const succeeds = (command: Command.Command) =>
  Effect.map(run(command), ({ code, stderr, stdout }) => {
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
        const { jmp, lab } = yield* start
        assert.match(yield* succeeds(jmp("get", "exporters", "--client", "alice")), /bench +board=rpi4/)
        yield* succeeds(
          jmp("create", "lease", "--client", "alice", "--selector", "board=rpi4", "--duration", "1h", "-o", "yaml")
        )
        const [lease] = yield* eventually(lab.leases, ([lease]) => lease?.reason !== undefined)
        assert.deepInclude(lease, { client: "alice", reason: "Offline", ended: false })
        const name = lease?.name ?? ""
        const listed = yield* succeeds(jmp("get", "leases", "--client", "alice", "-o", "yaml"))
        assert.include(listed, `name: ${name}`)
        assert.include(listed, "reason: Offline")
        yield* succeeds(jmp("delete", "leases", "--client", "alice", name))
        assert.deepInclude((yield* eventually(lab.leases, ([lease]) => lease?.ended === true))[0], {
          reason: "Released"
        })
        const refused = yield* run(jmp("delete", "leases", "--client", "alice", name))
        assert.notStrictEqual(refused.code, 0)
        assert.include(refused.stderr, "has already been released")
        const wrong = yield* run(jmp("create", "lease", "--client", "alice", "-l", "a==b", "--duration", "1h"))
        assert.include(wrong.stderr, "unsupported label selector operator: ==")
      }))),
    120_000
  )

  it.scopedLive("lend a driver and drive it through the router", () =>
    inPython(Effect.scoped(Effect.gen(function*() {
      const { jmp, lab } = yield* start
      yield* Effect.acquireRelease(
        Command.start(jmp("run", "--exporter", "bench")),
        (child) => Effect.ignore(child.kill("SIGTERM"))
      )
      const bench = eventually(lab.exporters, ([bench]) => bench?.status === "AVAILABLE")
      const [registered] = yield* bench
      assert.deepInclude(registered, { online: true, drivers: 2, message: "Exporter registered and available" })
      yield* succeeds(
        jmp("shell", "--client", "alice", "--selector", "board=rpi4", "--duration", "10m", "--", "j", "power", "on")
      )
      const [lease] = yield* eventually(lab.leases, ([lease]) => lease?.ended === true)
      assert.deepInclude(lease, { client: "alice", exporter: "bench", reason: "Released" })
      assert.lengthOf(yield* lab.holdings, 1)
      // It cleans up, and waits for the next.
      yield* bench
    }))), 120_000)
})
