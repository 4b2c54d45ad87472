// protocol.md 12.1: how the controller authenticates callers, in its order of checks.
import { ClientServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { ControllerServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted, Stream, TestClock } from "effect"
import * as ControllerTest from "../../../src/testing/ControllerTest.ts"
import { addClient, addExporter, clientOf, exporterOf, metadataOf, refusal } from "../../support/controller.ts"

const { methods } = ClientServiceDefinition

const lab = Effect.gen(function*() {
  const lab = yield* ControllerTest.make()
  const alice = yield* lab.addClient("alice")
  const bench = yield* lab.addExporter("bench")
  return { lab, alice, bench, metadata: metadataOf(alice) }
})

const withClaims = (claims: ControllerTest.TokenClaims) =>
  Effect.gen(function*() {
    yield* TestClock.setTime(Date.UTC(2026, 10, 29, 0, 7, 26))
    const { alice, lab: control, metadata } = yield* lab
    const token = Redacted.value(yield* control.token(alice, claims))
    return yield* refusal(clientOf(control, { ...metadata, authorization: `Bearer ${token}` }).exporters())
  })

const now = Date.UTC(2026, 10, 29, 0, 7, 26) / 1000

describe("the controller's authentication", () => {
  it.scoped.each(
    [
      ["no authorization", { authorization: undefined }, "UNAUTHENTICATED: missing authorization header"],
      ["an empty authorization", { authorization: "" }, "INVALID_ARGUMENT: malformed authorization header"],
      ["Basic authorization", { authorization: "Basic x" }, "INVALID_ARGUMENT: malformed authorization header"],
      ["a token that is garbage", { authorization: "Bearer garbage" }, "UNKNOWN: failed to authenticate token"],
      ["no kind", { "jumpstarter-kind": undefined }, "INVALID_ARGUMENT: missing metadata: jumpstarter-kind"],
      [
        "no namespace",
        { "jumpstarter-namespace": undefined },
        "INVALID_ARGUMENT: missing metadata: jumpstarter-namespace"
      ],
      ["a kind in lower case", { "jumpstarter-kind": "client" }, "INVALID_ARGUMENT: object kind mismatch"],
      ["the other kind", { "jumpstarter-kind": "Exporter" }, "INVALID_ARGUMENT: object kind mismatch"],
      [
        "no name",
        { "jumpstarter-name": undefined },
        "INVALID_ARGUMENT: resource name required for pre-existing authentication"
      ],
      [
        "an empty name",
        { "jumpstarter-name": "" },
        "INVALID_ARGUMENT: resource name required for pre-existing authentication"
      ],
      [
        "another client's name",
        { "jumpstarter-name": "bob" },
        "PERMISSION_DENIED: permission denied for client lab/bob"
      ],
      [
        "the name of no client",
        { "jumpstarter-name": "nobody" },
        "UNKNOWN: client lab/nobody: clients.jumpstarter.dev \"nobody\" not found"
      ],
      [
        "another namespace",
        { "jumpstarter-namespace": "other" },
        "UNKNOWN: client other/alice: clients.jumpstarter.dev \"alice\" not found"
      ]
    ] as const
  )("refuses a call with %s", ([, change, expected]) =>
    Effect.gen(function*() {
      const { lab: control, metadata } = yield* lab
      yield* control.addClient("bob")
      const given = Object.fromEntries(
        Object.entries({ ...metadata, ...change }).flatMap(([key, value]) => value === undefined ? [] : [[key, value]])
      )
      assert.strictEqual(yield* refusal(clientOf(control, given).exporters()), expected)
    }))

  it.scoped.each(
    [
      [{ exp: now - 2 }, "oidc: token is expired (Token Expiry: 2026-11-29 00:07:24 +0000 UTC)"],
      [{ exp: undefined }, "oidc: token is expired (Token Expiry: 0001-01-01 00:00:00 +0000 UTC)"],
      [{ aud: ["other"] }, "oidc: expected audience \"jumpstarter\" got [\"other\"]"],
      [
        { nbf: now + 3600 },
        "oidc: current time 2026-11-29 00:07:26 +0000 UTC before the nbf (not before) time: 2026-11-29 01:07:26 +0000 UTC"
      ]
    ] as const
  )("refuses a token with %j", ([claims, expected]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* withClaims(claims), `UNKNOWN: oidc: verify token: ${expected}`)
    }))

  it.scoped("refuses a token of another issuer before it checks the rest", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* withClaims({ iss: "https://elsewhere", exp: 1 }),
        "UNKNOWN: failed to authenticate token"
      )
    }))

  it.scoped("refuses a token with another signature", () =>
    Effect.gen(function*() {
      const { alice, lab: control, metadata } = yield* lab
      const other = yield* ControllerTest.make()
      const token = Redacted.value((yield* other.addClient("alice")).token)
      for (const forged of [token, `${Redacted.value(alice.token)}x`]) {
        assert.strictEqual(
          yield* refusal(clientOf(control, { ...metadata, authorization: `Bearer ${forged}` }).exporters()),
          "UNKNOWN: oidc: verify token: failed to verify signature: failed to verify id token signature"
        )
      }
    }))

  it.scoped("accepts bearer in lower case, and a token that was issued in the future", () =>
    Effect.gen(function*() {
      const { alice, lab: control, metadata } = yield* lab
      const token = Redacted.value(yield* control.token(alice, { iat: 10 ** 9 }))
      yield* clientOf(control, { ...metadata, authorization: `bearer ${token}` }).exporters()
    }))

  it.scoped("refuses the token of a client that was replaced", () =>
    Effect.gen(function*() {
      const { lab: control, metadata } = yield* lab
      yield* control.addClient("alice")
      assert.strictEqual(
        yield* refusal(clientOf(control, metadata).exporters()),
        "PERMISSION_DENIED: permission denied for client lab/alice"
      )
    }))

  it.scoped("refuses the token of an exporter with a client's name", () =>
    Effect.gen(function*() {
      const { bench, lab: control, metadata } = yield* lab
      const token = Redacted.value(bench.token)
      assert.strictEqual(
        yield* refusal(clientOf(control, { ...metadata, authorization: `Bearer ${token}` }).exporters()),
        "PERMISSION_DENIED: permission denied for client lab/alice"
      )
    }))

  it.scoped("refuses a request for another namespace", () =>
    Effect.gen(function*() {
      const { lab: control, metadata } = yield* lab
      const alice = clientOf(control, metadata)
      assert.strictEqual(
        yield* refusal(alice.call(methods.listExporters, { parent: "namespaces/other" })),
        "PERMISSION_DENIED: namespace mismatch"
      )
    }))

  it.scoped("checks the names of a request before the token", () =>
    Effect.gen(function*() {
      const { lab: control } = yield* lab
      const nobody = clientOf(control, {})
      assert.strictEqual(
        yield* refusal(nobody.call(methods.listLeases, { parent: "lab" })),
        "INVALID_ARGUMENT: invalid number of segments in identifier \"lab\", expecting 2, got 1"
      )
      assert.strictEqual(
        yield* refusal(nobody.call(methods.getLease, { name: "namespaces/lab/exporters/x" })),
        "INVALID_ARGUMENT: invalid third segment in identifier \"namespaces/lab/exporters/x\", expecting \"leases\", got \"exporters\""
      )
      assert.strictEqual(
        yield* refusal(nobody.create({})),
        "INVALID_ARGUMENT: one of selector or exporter_name is required"
      )
      assert.strictEqual(
        yield* refusal(nobody.create({ selector: "a=b" })),
        "UNAUTHENTICATED: missing authorization header"
      )
    }))

  it.scoped("refuses every token for 10 seconds after a start", () =>
    Effect.gen(function*() {
      const control = yield* ControllerTest.make({ latency: "observed" })
      const alice = yield* addClient(control, "alice")
      yield* alice.exporters()
      const restart = yield* Effect.fork(control.restart)
      yield* TestClock.adjust("29 seconds")
      yield* alice.exporters()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(restart)
      assert.strictEqual(yield* refusal(alice.exporters()), "UNKNOWN: oidc: authenticator not initialized")
      yield* TestClock.adjust("10 seconds")
      yield* alice.exporters()
    }))

  it.scoped("ends streams and refuses connections when it is stopped", () =>
    Effect.gen(function*() {
      const control = yield* ControllerTest.make()
      const alice = yield* addClient(control, "alice")
      const bench = yield* addExporter(control, "bench")
      const watching = yield* Effect.fork(Effect.flip(Stream.runDrain(bench.notices)))
      yield* TestClock.adjust("1 second")
      yield* control.stop
      const lost = yield* Fiber.join(watching)
      assert.deepStrictEqual([lost.code, lost.origin], ["UNAVAILABLE", "transport"])
      assert.strictEqual((yield* Effect.flip(alice.exporters())).code, "UNAVAILABLE")
      yield* control.start
      yield* alice.exporters()
    }))

  it.scoped("accepts a rotated token, and the old one too", () =>
    Effect.gen(function*() {
      const { lab: control, metadata } = yield* lab
      yield* TestClock.adjust("1500 millis")
      const alice = clientOf(control, metadata)
      const { expiry, token } = yield* alice.call(methods.rotateToken, { parent: "namespaces/lab" })
      assert.deepStrictEqual(expiry, { seconds: 365n * 24n * 60n * 60n + 1n, nanos: 0 })
      yield* clientOf(control, { ...metadata, authorization: `Bearer ${token}` }).exporters()
      yield* alice.exporters()
      assert.strictEqual(
        yield* refusal(alice.call(methods.rotateToken, { parent: "namespaces/other" })),
        "PERMISSION_DENIED: namespace mismatch"
      )
    }))

  it.scoped("refuses to rotate the token of an exporter", () =>
    Effect.gen(function*() {
      const { bench, lab: control } = yield* lab
      assert.strictEqual(
        yield* refusal(clientOf(control, metadataOf(bench)).call(methods.rotateToken, { parent: "namespaces/lab" })),
        "INVALID_ARGUMENT: object kind mismatch"
      )
    }))

  it.scoped("has no methods of other releases", () =>
    Effect.gen(function*() {
      const { bench, lab: control } = yield* lab
      const { getServiceEndpoints } = ControllerServiceDefinition.methods
      assert.strictEqual(
        yield* refusal(exporterOf(control, metadataOf(bench)).call(getServiceEndpoints, {})),
        "UNIMPLEMENTED: unknown method GetServiceEndpoints for service jumpstarter.v1.ControllerService"
      )
      const refused = (path: string) => refusal(control.controller.unary(path, new Uint8Array()))
      assert.strictEqual(
        yield* refused("/jumpstarter.client.v1.ClientService/Nope"),
        "UNIMPLEMENTED: unknown method Nope for service jumpstarter.client.v1.ClientService"
      )
      assert.strictEqual(yield* refused("/nope.Service/Nope"), "UNIMPLEMENTED: unknown service nope.Service")
      assert.strictEqual(
        yield* refused("/jumpstarter.v1.ControllerService/AuditStream"),
        "UNIMPLEMENTED: method AuditStream not implemented"
      )
      const main = yield* ControllerTest.make({ release: "main" })
      const other = yield* addExporter(main, "bench")
      assert.deepStrictEqual(yield* other.call(getServiceEndpoints, {}), { telemetryEndpoints: [] })
      const client = yield* addClient(main, "alice")
      assert.strictEqual(
        yield* refusal(client.callController(getServiceEndpoints, {})),
        "INVALID_ARGUMENT: object kind mismatch"
      )
    }))

  it.scoped("lets callers check its health without a token", () =>
    Effect.gen(function*() {
      const { lab: control } = yield* lab
      assert.deepStrictEqual(
        [...(yield* control.controller.unary("/grpc.health.v1.Health/Check", new Uint8Array()))],
        [8, 1]
      )
    }))

  it.scoped("returns a panic for an update without a lease", () =>
    Effect.gen(function*() {
      const { lab: control, metadata } = yield* lab
      const refused = yield* refusal(clientOf(control, metadata).call(methods.updateLease, {}))
      assert.match(refused, /^UNKNOWN: panic caught: runtime error: .*\n\ngoroutine 1 \[running\]:\n/)
    }))
})
