import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import { GrpcHandler, type GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as driverCallCodec from "../../src/protocol/driverCall.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import { selfSigned } from "../support/certificates.ts"
import * as temporary from "../support/temporary.ts"

const make = Effect.orDie(Exporter.make(Driver.composite({}), { localLogs: false }))

const localhost = { host: "127.0.0.1", port: 0 } as const

const serve = (listen: GrpcServer.Listen, passphrase?: string) =>
  Effect.flatMap(
    make,
    (exporter) =>
      Exporter.serve(exporter, listen, passphrase === undefined ? {} : { passphrase: Redacted.make(passphrase) })
  )

describe("a call that is refused before it reaches its driver", () => {
  const driverCall = "/jumpstarter.v1.ExporterService/DriverCall"

  it.scopedLive.each(["without the passphrase", "by a handler around the exporter's", "by the same in memory"])(
    "does not run the driver: %s",
    (how) =>
      Effect.gen(function*() {
        let runs = 0
        const driver = Driver.make({ client: "c", methods: { on: Driver.call(() => Effect.sync(() => void runs++)) } })
        const exporter = yield* Exporter.make(driver, { localLogs: false })
        const handler = exporter.handlers.get(driverCall)
        if (handler?._tag !== "Unary") return assert.fail("the exporter has no calls")
        const guarded: GrpcHandlers = new Map(exporter.handlers).set(
          driverCall,
          GrpcHandler.Unary({
            handle: (message, request) =>
              Effect.zipRight(GrpcStatus.make("PERMISSION_DENIED", "not now"), handler.handle(message, request))
          })
        )
        const path = yield* temporary.socketPath
        const channel = how === "by the same in memory"
          ? yield* GrpcChannel.fromHandlers(guarded)
          : yield* GrpcChannel.fromEndpoint(
            how === "without the passphrase"
              ? yield* Exporter.serve(exporter, { path }, { passphrase: Redacted.make("secret") })
              : yield* GrpcServer.serve(guarded, { path })
          )
        const { root } = yield* ExporterConnection.fromChannel(yield* GrpcChannel.fromHandlers(exporter.handlers))
        const request = yield* driverCallCodec.encodeRequest({ uuid: root.uuid, method: "on", args: [] })
        const refusal = yield* Effect.flip(channel.unary(driverCall, request))
        assert.include(["PERMISSION_DENIED", "UNAUTHENTICATED"], refusal.code)
        assert.strictEqual(runs, 0)
        yield* root.call("on")
        assert.strictEqual(runs, 1)
      })
  )
})

describe("a passphrase", () => {
  it.scopedLive.each(["s", "two words", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "x".repeat(4_096)])(
    "of printable ASCII is served and presented: %j",
    (text) =>
      Effect.gen(function*() {
        const passphrase = Redacted.make(text)
        for (const listen of [localhost, { path: yield* temporary.socketPath }]) {
          yield* ExporterConnection.fromEndpoint(yield* serve(listen, text), { passphrase })
        }
      })
  )

  it.scopedLive.each([
    " ",
    " secret",
    "secret ",
    "secret\n",
    "sec\tret",
    "\u0000",
    "geheim\u00df",
    "x".repeat(4_097)
  ])(
    "that no client can present is refused when the exporter is served, and by the client: %j",
    (text) =>
      Effect.gen(function*() {
        const served = yield* Effect.flip(serve(localhost, text))
        assert.strictEqual(served._tag, "GrpcServerError")
        assert.match(served.details, /^the passphrase /)
        const endpoint = yield* serve(localhost)
        const refused = yield* Effect.flip(
          ExporterConnection.fromEndpoint(endpoint, { passphrase: Redacted.make(text) })
        )
        assert.strictEqual(refused.reason, "Address")
        assert.strictEqual(refused.details, served.details)
        if (text.trim().length > 1) assert.notInclude(`${served.message} ${refused.message}`, text.trim())
      })
  )

  it.scopedLive("that is empty is refused when the exporter is served, and rejected by other exporters", () =>
    Effect.gen(function*() {
      assert.match(
        (yield* Effect.flip(serve(localhost, ""))).details,
        /is empty, which is what a client without a passphrase presents$/
      )
      const endpoint = yield* serve(localhost, "secret")
      const error = yield* Effect.flip(ExporterConnection.fromEndpoint(endpoint, { passphrase: Redacted.make("") }))
      assert.strictEqual(error.reason, "Unauthenticated")
    }))
})

describe("an exporter in cleartext", () => {
  const warnings = (listen: GrpcServer.Listen, passphrase?: string) => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
      lines.push(`${logLevel.label} ${String(message)}`)
    })
    return Effect.as(
      Effect.provide(serve(listen, passphrase), Logger.replace(Logger.defaultLogger, logger).pipe(Layer.orDie)),
      lines
    )
  }

  it.scopedLive("warns when others can connect", () =>
    Effect.gen(function*() {
      const [first = "", second = "", ...rest] = yield* warnings({ host: "0.0.0.0", port: 0, insecure: true })
      assert.match(
        first,
        /^WARN Serving on 0\.0\.0\.0:\d+ without TLS \(`insecure: true`\): others can read and change the traffic/
      )
      assert.match(
        second,
        /^WARN The exporter has neither TLS nor a passphrase: anyone who reaches its port can use/
      )
      assert.deepStrictEqual(rest, [])
    }))

  it.scopedLive("warns that its passphrase can be read", () =>
    Effect.gen(function*() {
      const [, second = ""] = yield* warnings({ host: "0.0.0.0", port: 0, insecure: true }, "sesame")
      assert.match(second, /^WARN The exporter's passphrase is sent without TLS/)
    }))

  it.scopedLive("does not warn on loopback, with TLS, or on a Unix socket", () =>
    Effect.gen(function*() {
      const { certificate } = yield* selfSigned("bench-3.lab")
      assert.deepStrictEqual(yield* warnings(localhost, "sesame"), [])
      assert.deepStrictEqual(yield* warnings({ host: "0.0.0.0", port: 0, certificate }, "sesame"), [])
      assert.deepStrictEqual(yield* warnings({ path: yield* temporary.socketPath }), [])
    }))
})

describe("an exporter with a certificate of its own", () => {
  for (const names of [["localhost", "127.0.0.1"], ["bench-3.lab"], ["*.lab.example"], ["10.0.0.7"]]) {
    for (const host of ["127.0.0.1", "0.0.0.0", "localhost"]) {
      it.scopedLive(`for ${names.join(" and ")}, on ${host}, accepts connections at the endpoint that serving returns`, () =>
        Effect.gen(function*() {
          const { certificate } = yield* selfSigned(...names)
          const endpoint = yield* serve({ host, port: 0, certificate })
          for (const transport of ["http2", "nice-grpc"] as const) {
            yield* ExporterConnection.fromEndpoint(endpoint, { transport })
          }
          // Its trust accepts no other server.
          if (endpoint._tag !== "Tls") return assert.fail(endpoint._tag)
          const other = yield* serve({ host, port: 0, certificate: (yield* selfSigned(...names)).certificate })
          if (other._tag !== "Tls") return assert.fail(other._tag)
          const error = yield* Effect.flip(
            ExporterConnection.fromEndpoint(Endpoint.tls(other.host, other.port, endpoint.trust))
          )
          assert.match(error.details, /Trust\.CertificateAuthority contains neither/)
        }))
    }
  }

  it.scopedLive("also accepts connections when its certificate has no name to check", () =>
    Effect.gen(function*() {
      const { certificate } = yield* selfSigned("*.lab")
      yield* ExporterConnection.fromEndpoint(yield* serve({ ...localhost, certificate }))
    }))
})
