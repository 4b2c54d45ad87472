// An exporter without a service: its hooks, its sessions, and who may connect.
import { NodeContext } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Deferred, Effect, Exit, Redacted, Scope } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as DirectExporter from "../../src/registration/DirectExporter.ts"
import * as ExporterRegistration from "../../src/registration/ExporterRegistration.ts"
import * as certificates from "../support/certificates.ts"
import * as temporary from "../support/temporary.ts"

const ping = Driver.make({ client: "none.Client", methods: { ping: Driver.call(() => Effect.succeed("pong")) } })

const quiet = { drivers: { power: ping }, localLogs: false }

const pinged = Effect.flatMap(ExporterConnection.driver("power"), (power) => power.call("ping"))

const noted = () => {
  const seen: Array<string> = []
  const note = (what: string) =>
    Effect.gen(function*() {
      const { client, name } = yield* ExporterRegistration.CurrentLease
      strictEqual(yield* Effect.orDie(pinged), "pong")
      seen.push(`${what} of ${name} for "${client}"`)
    })
  return { seen, note }
}

describe("an exporter that is reached directly", () => {
  it.scopedLive("is ready at once without hooks, and has no session to end", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const { endpoint } = yield* DirectExporter.make({ ...quiet, listen: { path } })
      const connection = yield* ExporterConnection.fromEndpoint(endpoint, { leased: true })
      yield* connection.awaitReady
      deepStrictEqual(yield* connection.endSession, { ended: false, message: "No active lease context" })
      strictEqual((yield* connection.status).status, "LEASE_READY")
    }))

  it.scopedLive("over TLS and with a passphrase, which its hooks need not know", () =>
    Effect.gen(function*() {
      const { certificate } = yield* certificates.localhost
      const { note, seen } = noted()
      const passphrase = Redacted.make("correct horse battery staple")
      const { endpoint } = yield* DirectExporter.make({
        ...quiet,
        listen: { host: "127.0.0.1", port: 0, certificate },
        passphrase,
        hooks: { beforeLease: { run: note("before") } }
      })
      const refused = yield* Effect.flip(ExporterConnection.fromEndpoint(endpoint))
      assertInclude(refused.message, "invalid or missing passphrase")
      const connection = yield* ExporterConnection.fromEndpoint(endpoint, { passphrase })
      yield* connection.awaitReady
      deepStrictEqual(seen, ["before of standalone for \"\""])
    }))

  it.scopedLive.skipIf(process.platform === "win32")(
    "keeps its passphrase from the scripts of its hooks",
    () =>
      Effect.gen(function*() {
        const file = join(yield* temporary.directory, "environment")
        const passphrase = Redacted.make("correct horse battery staple")
        yield* Effect.acquireRelease(
          Effect.sync(() => Object.assign(process.env, { BENCH_SECRET: Redacted.value(passphrase), BENCH_RACK: "7" })),
          () => Effect.sync(() => ["BENCH_SECRET", "BENCH_RACK"].forEach((name) => delete process.env[name]))
        )
        const { endpoint } = yield* DirectExporter.make({
          ...quiet,
          listen: { path: yield* temporary.socketPath },
          passphrase,
          hooks: { beforeLease: ExporterRegistration.script({ script: `env > ${file}` }) }
        })
        const connection = yield* ExporterConnection.fromEndpoint(endpoint, { passphrase })
        yield* connection.awaitReady
        const text = yield* Effect.promise(() => readFile(file, "utf8"))
        assertInclude(text, "BENCH_RACK=7")
        assertTrue(!text.includes("BENCH_SECRET"), text)
      }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("begins the next session after the end of one", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const { note, seen } = noted()
      const scope = yield* Scope.make()
      const { endpoint } = yield* Scope.extend(
        DirectExporter.make({
          ...quiet,
          listen: { path },
          hooks: { beforeLease: { run: note("before") }, afterLease: { run: note("after") } }
        }),
        scope
      )
      const connection = yield* ExporterConnection.fromEndpoint(endpoint, { leased: true })
      yield* connection.awaitReady
      deepStrictEqual(yield* connection.endSession, { ended: true, message: "" })
      yield* connection.awaitStatus("AVAILABLE")
      yield* connection.awaitReady
      const lease = "of standalone for \"\""
      deepStrictEqual(seen, [`before ${lease}`, `after ${lease}`, `before ${lease}`])
      yield* Scope.close(scope, Exit.void)
      strictEqual(seen.at(-1), `after ${lease}`)
    }))

  it.scopedLive("lets clients connect while the hook runs, and fails when the hook fails", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const going = yield* Deferred.make<void>()
      const { ended, endpoint } = yield* DirectExporter.make({
        ...quiet,
        name: "bench-3",
        listen: { path },
        hooks: {
          beforeLease: {
            run: Effect.zipRight(Deferred.await(going), Effect.fail(new Error("no power"))),
            onFailure: "exit"
          }
        }
      })
      const connection = yield* ExporterConnection.fromEndpoint(endpoint)
      strictEqual((yield* connection.status).status, "BEFORE_LEASE_HOOK")
      yield* Deferred.succeed(going, undefined)
      strictEqual((yield* Effect.flip(connection.awaitReady))._tag, "HookFailed")
      strictEqual(
        (yield* Effect.flip(ended)).message,
        "the beforeLease hook of the exporter at bench-3 failed: beforeLease hook failed (on_failure=exit, shutting down): no power"
      )
    }))
})
