// Exporters over TLS, and with a passphrase.
import { Driver, Exporter } from "@effect-jumpstarter/core"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { certificate, run } from "./support.ts"

const passphrase = "open sesame"

/** An exporter over TLS, and the file of its certificate. */
const serve = (days?: number) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const made = yield* certificate(days)
    const exporter = yield* Exporter.make(Driver.composite({}), { localLogs: false })
    const endpoint = yield* Exporter.serve(exporter, { host: "127.0.0.1", port: 0, certificate: made }, {
      passphrase: Redacted.make(passphrase)
    })
    const ca = `${yield* files.makeTempDirectoryScoped()}/ca.pem`
    yield* files.writeFileString(ca, made.chain)
    return { ca, address: `127.0.0.1:${endpoint._tag === "Unix" ? 0 : endpoint.port}` }
  }).pipe(Effect.provide(NodeContext.layer))

const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length

const environment = { JMP_GRPC_PASSPHRASE: passphrase, HOME: "/nonexistent" }

describe("an exporter over TLS", () => {
  it.scopedLive("is reached with its certificate and its passphrase", () =>
    Effect.gen(function*() {
      const { address, ca } = yield* serve()
      const named = yield* run(["status", "--host", address, "--ca", ca], { environment })
      assert.strictEqual(named.code, 0, named.err)
      assert.include(named.out, `tls:${address}`)
      const shell = yield* run(["status", "--ca", ca], { environment: { ...environment, JUMPSTARTER_HOST: address } })
      assert.strictEqual(shell.code, 0, shell.err)
    }))

  it.scopedLive("says in one line what is missing, and never the passphrase", () =>
    Effect.gen(function*() {
      const { address, ca } = yield* serve()
      for (
        const [words, variables, code, line] of [
          [["--ca", ca], {}, 3, /Unauthenticated/],
          [["--ca", ca], { JMP_GRPC_PASSPHRASE: "wrong" }, 3, /Unauthenticated/],
          [[], environment, 3, /certificate/],
          [["--insecure"], environment, 3, /TLS/],
          [["--ca", `${ca}.not`], environment, 6, /ca\.pem\.not/],
          [["--ca", import.meta.filename], environment, 3, /certificate/]
        ] as const
      ) {
        const outcome = yield* run(["status", "--host", address, ...words], { environment: { ...variables } })
        assert.strictEqual(outcome.code, code, outcome.err)
        assert.match(outcome.err, line)
        assert.notInclude(outcome.err, "sesame")
        assert.strictEqual(outcome.err.trimEnd().split("\n").length, 1, outcome.err)
      }
    }))

  it.scopedLive("has its certificate checked by the doctor", () =>
    Effect.gen(function*() {
      const good = yield* serve()
      const open = sockets()
      const healthy = yield* run(["doctor", "--host", good.address, "--ca", good.ca], { environment })
      assert.match(healthy.out, /ok {2}certificate .*127\.0\.0\.1 is valid for another \d+ days/)
      assert.strictEqual(healthy.code, 0, healthy.out)
      yield* Effect.repeat(Effect.sync(sockets), {
        schedule: Schedule.spaced("10 millis"),
        until: (now) => now <= open
      })
      const old = yield* serve(-3)
      const expired = yield* run(["doctor", "--host", old.address, "--ca", old.ca], { environment })
      assert.match(expired.out, /PROBLEM {2}certificate .*expired 3 days ago -> renew the exporter's certificate/)
      assert.strictEqual(expired.code, 5)
      const soon = yield* serve(2)
      const ending = yield* run(["doctor", "--host", soon.address, "--ca", soon.ca], { environment })
      assert.match(ending.out, /PROBLEM {2}certificate .*expires in 2 days/)
      const absent = yield* run(["doctor", "--host", "tls://127.0.0.1:1"], { environment })
      assert.match(absent.out, /- +certificate .*unknown, because tls:127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/)
      assert.match(absent.err, /1 of \d checks found a problem: exporter/)
    }))
})

describe("an exporter without TLS", () => {
  it.scopedLive("is reached with --insecure, wherever its address comes from", () =>
    Effect.gen(function*() {
      const exporter = yield* Exporter.make(Driver.composite({}), { localLogs: false })
      const endpoint = yield* Exporter.serve(exporter, { host: "127.0.0.1", port: 0 })
      const address = `127.0.0.1:${endpoint._tag === "Unix" ? 0 : endpoint.port}`
      for (
        const [words, environment] of [
          [["--host", address], {}],
          [[], { JUMPSTARTER_HOST: address }]
        ] as const
      ) {
        const outcome = yield* run(["status", "--insecure", ...words], { environment })
        assert.strictEqual(outcome.code, 0, outcome.err)
        assert.include(outcome.out, `tcp:${address}`)
      }
    }))
})
