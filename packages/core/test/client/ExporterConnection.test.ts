// Connecting: the failures and their messages, the environment of `jmp shell`, and the time limits.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { createServer, type Socket } from "node:net"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import { GrpcHandler, type GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as driverCallCodec from "../../src/protocol/driverCall.ts"
import * as DriverError from "../../src/protocol/DriverError.ts"
import * as Resource from "../../src/resource/Resource.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import type { Listen } from "../../src/transport/GrpcServer.ts"
import { selfSigned } from "../support/certificates.ts"
import * as probeExporter from "../support/probeExporter.ts"
import * as temporary from "../support/temporary.ts"

const serve = (listen: Listen, passphrase?: string) =>
  Effect.flatMap(probeExporter.make, (exporter) =>
    Exporter.serve(exporter, listen, {
      passphrase: passphrase === undefined ? undefined : Redacted.make(passphrase)
    }))

const anyPort = { host: "127.0.0.1", port: 0 }

/** The port of a server that is not an exporter. */
const listening = (onConnection: (socket: Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
        const server = createServer((socket) => {
          socket.on("error", () => {})
          onConnection(socket)
        })
        const sockets = new Set<{ readonly destroy: () => void }>()
        server.on("connection", (socket) => sockets.add(socket))
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed({
            port: typeof address === "object" && address !== null ? address.port : 0,
            close: () => {
              sockets.forEach((socket) => socket.destroy())
              server.close()
            }
          }))
        })
      }),
      (server) => Effect.sync(server.close)
    ),
    ({ port }) => port
  )

/** Takes connections and never says anything. */
const blackHole = listening(() => {})

/** Speaks first, without waiting for the client. */
const talking = (text: string) => listening((socket) => socket.write(text))

/** A port that was free a moment ago. */
const refusedPort = Effect.scoped(blackHole)

const refused = (
  endpoint: Endpoint.Endpoint,
  expected: { readonly reason: ExporterConnection.ConnectError["reason"]; readonly details?: RegExp },
  options?: ExporterConnection.EndpointOptions
) =>
  Effect.gen(function*() {
    const [elapsed, error] = yield* Effect.timed(
      Effect.flip(Effect.scoped(ExporterConnection.fromEndpoint(endpoint, options)))
    )
    deepStrictEqual([error._tag, error.reason, error.address], [
      "ConnectError",
      expected.reason,
      Endpoint.format(endpoint)
    ])
    assertInclude(error.message, Endpoint.format(endpoint))
    if (expected.details !== undefined) assertTrue(expected.details.test(error.details), error.details)
    assertTrue(Duration.lessThan(elapsed, "3 seconds"), `it took ${Duration.format(elapsed)}`)
  })

describe("connecting to what is not there", () => {
  it.live("a port that nobody listens on", () =>
    Effect.flatMap(
      refusedPort,
      (port) =>
        refused(Endpoint.tcp("127.0.0.1", port), {
          reason: "Unreachable",
          details: /ECONNREFUSED .*nothing listens there; is the server running\?$/
        })
    ))

  it.scopedLive("a socket that does not exist", () =>
    Effect.flatMap(
      temporary.socketPath,
      (path) => refused(Endpoint.unix(path), { reason: "Unreachable", details: /ENOENT .*there is no such socket/ })
    ))

  it.live("a path that no socket can have", () =>
    refused(Endpoint.unix(`/tmp/${"é".repeat(60)}`), {
      reason: "Address",
      details: /^the path has 125 bytes, and the path of a Unix socket has at most 10[37]$/
    }))

  it.live("a name that does not resolve", () =>
    refused(Endpoint.tcp("exporter.invalid", 1234), { reason: "Unreachable" }, { connectTimeout: "2 seconds" }))

  for (const tls of [false, true]) {
    it.scopedLive(`a server that never answers${tls ? ", over TLS" : ""}`, () =>
      Effect.flatMap(blackHole, (port) =>
        refused(
          tls ? Endpoint.tls("localhost", port) : Endpoint.tcp("127.0.0.1", port),
          { reason: "Timeout", details: /^no connection within 300ms \(connectTimeout\)$/ },
          { connectTimeout: "300 millis" }
        )))
  }

  it.scopedLive("a server that speaks no TLS", () =>
    Effect.flatMap(serve(anyPort), (endpoint) =>
      endpoint._tag === "Tcp"
        ? Effect.forEach([Endpoint.Trust.SystemRoots(), Endpoint.Trust.TrustOnFirstUse()], (trust) =>
          refused(Endpoint.tls("localhost", endpoint.port, trust), {
            reason: "Unreachable",
            details: /the server does not speak TLS; for cleartext use Endpoint\.tcp, or JMP_GRPC_INSECURE=1$/
          }))
        : Effect.dieMessage(endpoint._tag)))

  it.scopedLive("a server that speaks TLS only", () =>
    Effect.gen(function*() {
      const { certificate } = yield* selfSigned("localhost")
      const endpoint = yield* serve({ ...anyPort, certificate })
      if (endpoint._tag !== "Tls") return yield* Effect.dieMessage(endpoint._tag)
      yield* refused(Endpoint.tcp("127.0.0.1", endpoint.port), {
        reason: "Unreachable",
        details: /does the server expect TLS\?$/
      })
    }))

  it.scopedLive("a server that speaks something else", () =>
    Effect.flatMap(
      talking("SSH-2.0-OpenSSH_9\r\n"),
      (port) => refused(Endpoint.tcp("127.0.0.1", port), { reason: "Unreachable", details: /does not speak HTTP\/2/ })
    ))

  it.scopedLive("a server whose certificate is not trusted", () =>
    Effect.gen(function*() {
      const { certificate } = yield* selfSigned("localhost", "127.0.0.1")
      const { ca } = yield* selfSigned("localhost", "127.0.0.1")
      const endpoint = yield* serve({ ...anyPort, certificate })
      if (endpoint._tag !== "Tls") return yield* Effect.dieMessage(endpoint._tag)
      const trusting = (trust: Endpoint.Trust) => Endpoint.tls("localhost", endpoint.port, trust)
      yield* refused(trusting(Endpoint.Trust.SystemRoots()), {
        reason: "Unreachable",
        details: /certificate.*; to trust certificates other than the system's roots, pass an Endpoint\.Trust$/
      })
      yield* refused(trusting(Endpoint.Trust.CertificateAuthority({ ca })), { reason: "Unreachable" })
      yield* refused(trusting(Endpoint.Trust.CertificateAuthority({ ca: "no certificate" })), {
        reason: "Address",
        details: /neither PEM nor base64/
      })
      const connection = yield* ExporterConnection.fromEndpoint(trusting(Endpoint.Trust.TrustOnFirstUse()))
      strictEqual(connection.root.children.size > 0, true)
    }))
})

it.scopedLive("every RPC that waits for a connection in vain fails with the reason why there is none", () =>
  Effect.gen(function*() {
    const channel = yield* GrpcChannel.fromEndpoint(Endpoint.tcp("127.0.0.1", yield* refusedPort))
    const rpc = Effect.flip(channel.unary("/t.S/M", new Uint8Array()))
    const errors = yield* Effect.all([rpc, rpc, rpc], { concurrency: "unbounded" })
    for (const { cause } of errors) {
      assertTrue(cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED", String(cause))
    }
  }))

describe("being refused", () => {
  it.scopedLive("without the passphrase, and with another", () =>
    Effect.gen(function*() {
      const endpoint = yield* serve(anyPort, "open sesame")
      yield* refused(endpoint, { reason: "Unauthenticated", details: /passphrase; no passphrase was given \(option/ })
      yield* refused(endpoint, {
        reason: "Unauthenticated",
        details: /passphrase; the given passphrase is not the exporter's$/
      }, {
        passphrase: Redacted.make("open barley")
      })
      // The advice follows the exporter's own answer.
      const { cause } = yield* Effect.flip(Effect.scoped(ExporterConnection.fromEndpoint(endpoint)))
      assertTrue(cause instanceof GrpcStatus.GrpcStatusError && cause.code === "UNAUTHENTICATED")
      yield* ExporterConnection.fromEndpoint(endpoint, { passphrase: Redacted.make("open sesame") })
    }))

  it.scopedLive("also through a channel", () =>
    Effect.gen(function*() {
      const channel = yield* GrpcChannel.fromEndpoint(yield* serve(anyPort, "open sesame"))
      const none = yield* Effect.flip(ExporterConnection.fromChannel(channel))
      assertTrue(none.reason === "Unauthenticated" && none.details.includes("no passphrase was given"), none.details)
      const passphrase = Redacted.make("open barley")
      const other = yield* Effect.flip(ExporterConnection.fromChannel(channel, { passphrase }))
      assertTrue(other.details.endsWith("the given passphrase is not the exporter's"), other.details)
      yield* ExporterConnection.fromChannel(channel, { passphrase: Redacted.make("open sesame") })
    }))

  const connectTo = (change: (handlers: GrpcHandlers) => Iterable<readonly [string, GrpcHandler]>) =>
    Effect.gen(function*() {
      const { handlers } = yield* Effect.orDie(probeExporter.make)
      const channel = yield* GrpcChannel.fromHandlers(new Map(change(handlers)))
      return yield* ExporterConnection.fromChannel(channel)
    })

  const rpc = (method: string) => `/jumpstarter.v1.ExporterService/${method}`

  it.scoped("by an exporter that refuses to report", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(connectTo((handlers) => [
        ...handlers,
        [
          rpc("GetReport"),
          GrpcHandler.Unary({ handle: () => GrpcStatus.make("PERMISSION_DENIED", "not yours") })
        ]
      ]))
      deepStrictEqual([error.reason, error.details], ["Refused", "PERMISSION_DENIED: not yours"])
    }))

  it.scoped("by a report that describes no driver tree", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(connectTo((handlers) => [
        ...handlers,
        [rpc("GetReport"), GrpcHandler.Unary({ handle: () => Effect.succeed(new Uint8Array()) })]
      ]))
      deepStrictEqual([error.reason, error.details], [
        "InvalidReport",
        "the exporter's report is not a driver tree: it is empty"
      ])
    }))

  it.scoped("an exporter that predates GetStatus counts as ready", () =>
    Effect.gen(function*() {
      const connection = yield* connectTo((handlers) =>
        Array.from(handlers).filter(([name]) => name !== rpc("GetStatus"))
      )
      const status = yield* connection.status
      deepStrictEqual([status.status, status.version], ["LEASE_READY", Option.none()])
      strictEqual((yield* connection.awaitReady).status, "LEASE_READY")
      deepStrictEqual(yield* Effect.flatMap(connection.driver("probe"), (probe) => probe.call("echo", 1)), [1])
    }))
})

describe("waiting, by the program's clock", () => {
  const connect = Effect.gen(function*() {
    const exporter = yield* probeExporter.make
    const channel = yield* GrpcChannel.fromHandlers(exporter.handlers)
    const connection = yield* ExporterConnection.fromChannel(channel)
    return { connection, exporter, probe: yield* connection.driver("probe") }
  })

  // Python exporters keep open what their driver has not opened (protocol.md 6.2).
  const answer = GrpcHandler.Unary({
    handle: () => Effect.orDie(driverCallCodec.encodeResponse(crypto.randomUUID(), null))
  })

  for (const [given, limit] of [[undefined, 10], ["3 seconds", 3]] as const) {
    it.scoped(`a download that the exporter does not end is given up after ${limit} seconds`, () =>
      Effect.gen(function*() {
        const { handlers } = yield* probeExporter.make
        const channel = yield* GrpcChannel.fromHandlers(
          new Map([...handlers, ["/jumpstarter.v1.ExporterService/DriverCall", answer]])
        )
        const connection = yield* ExporterConnection.fromChannel(channel, { transferIdleTimeout: given })
        const probe = yield* connection.driver("probe")
        const handle = yield* probe.resource(Resource.sink(Sink.drain))
        const calling = yield* Effect.fork(Effect.flip(probe.call("ignore", handle)))
        yield* TestClock.adjust(Duration.seconds(limit - 1))
        strictEqual(yield* Fiber.poll(calling), Option.none())
        yield* TestClock.adjust("1 seconds")
        const error = yield* Fiber.join(calling)
        assertTrue(DriverError.isDriverCallError(error))
        deepStrictEqual([error._tag, error.kind, error.origin], ["UnexpectedResult", "resource", "client"])
        assertInclude(error.message, `nothing arrived within ${limit}s (transferIdleTimeout)`)
      }))

    it.scoped(`an exporter that does not answer fails the connection after ${limit * 3} seconds`, () =>
      Effect.gen(function*() {
        const { handlers } = yield* probeExporter.make
        const silent = GrpcHandler.Unary({ handle: () => Effect.never })
        const channel = yield* GrpcChannel.fromHandlers(
          new Map([...handlers, ["/jumpstarter.v1.ExporterService/GetStatus", silent]])
        )
        const handshakeTimeout = given === undefined ? undefined : Duration.times(given, 3)
        const connecting = yield* Effect.fork(
          Effect.flip(ExporterConnection.fromChannel(channel, { handshakeTimeout }))
        )
        yield* TestClock.adjust(Duration.seconds(limit * 3 - 1))
        strictEqual(yield* Fiber.poll(connecting), Option.none())
        yield* TestClock.adjust("1 seconds")
        strictEqual(
          (yield* Fiber.join(connecting)).message,
          `cannot connect to the exporter at memory (Timeout): no answer within ${limit * 3}s (handshakeTimeout)`
        )
      }))
  }

  it.scoped("a call has no deadline of its own", () =>
    Effect.gen(function*() {
      const { probe } = yield* connect
      const calling = yield* Effect.fork(probe.call("hang"))
      yield* TestClock.adjust("365 days")
      strictEqual(yield* Fiber.poll(calling), Option.none())
    }))

  it.scoped("awaitReady queries every 100 ms, for as long as it takes", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* connect
      yield* exporter.setStatus("BEFORE_LEASE_HOOK")
      const waiting = yield* Effect.fork(connection.awaitReady)
      yield* TestClock.adjust("5 seconds")
      strictEqual(yield* Fiber.poll(waiting), Option.none())
      yield* exporter.setStatus("LEASE_READY")
      yield* TestClock.adjust("100 millis")
      strictEqual((yield* Fiber.join(waiting)).status, "LEASE_READY")
    }))

  it.scoped("a caller's timeout cancels a call", () =>
    Effect.gen(function*() {
      const { probe } = yield* connect
      const calling = yield* Effect.fork(Effect.timeoutOption(probe.call("hang"), "1 minute"))
      yield* TestClock.adjust("1 minute")
      strictEqual(yield* Fiber.join(calling), Option.none())
      deepStrictEqual(yield* probe.call("events"), ["hang:open", "hang:cancelled", "hang:closed"])
    }))

  it.scoped("closing a byte stream does not wait on a clock that does not move", () =>
    Effect.gen(function*() {
      const { probe } = yield* connect
      yield* Effect.scoped(Effect.flatMap(probe.stream("idle"), ({ write }) => write(new Uint8Array(3))))
      strictEqual(yield* probe.call("bytes_count", "idle"), 3)
      deepStrictEqual((yield* Stream.runCollect(probe.streamingCall("count", 2))).length, 2)
    }))
})

describe("a clock that a test adjusts", () => {
  // The lines a logger receives, and the lines written to the console when there is no logger.
  const warnings = (connecting: Effect.Effect<unknown, unknown, Scope.Scope>, loggers: Layer.Layer<never>) =>
    Effect.gen(function*() {
      const written: Array<string> = []
      const console = yield* Effect.console
      const spied: Console.Console = {
        ...console,
        unsafe: { ...console.unsafe, log: (line: unknown) => written.push(String(line)) }
      }
      yield* Effect.scoped(connecting).pipe(Effect.provide(loggers), Effect.withConsole(spied))
      return written
    })

  const real = Effect.flatMap(temporary.socketPath, (path) => serve({ path }))

  const expected = (address: string) =>
    `the connection to ${address} is real, but this program runs on a TestClock: sleeps, time limits, retries and status ` +
    "polling end only when the clock is adjusted. Run the test with it.live or it.scopedLive"

  const nowhere = Logger.remove(Logger.defaultLogger)

  it.scoped("gives one warning when a real connection is opened, even without a logger", () =>
    Effect.gen(function*() {
      const endpoint = yield* real
      const written = yield* warnings(ExporterConnection.fromEndpoint(endpoint), nowhere)
      strictEqual(written.length, 1)
      assertInclude(written[0], expected(Endpoint.format(endpoint)))
    }))

  it.scoped("gives the warning only in the program's own logger", () =>
    Effect.gen(function*() {
      const endpoint = yield* real
      const logged: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => {
        logged.push(String(message))
      })
      const connecting = Effect.flatMap(GrpcChannel.fromEndpoint(endpoint), (channel) =>
        ExporterConnection.fromChannel(channel))
      const written = yield* warnings(connecting, Logger.replace(Logger.defaultLogger, logger))
      deepStrictEqual([written, logged], [[], [expected(Endpoint.format(endpoint))]])
    }))

  it.scoped("gives the warning before the wait for an exporter that is not there", () =>
    Effect.gen(function*() {
      const endpoint = Endpoint.unix(yield* temporary.socketPath)
      const written = yield* warnings(Effect.flip(ExporterConnection.fromEndpoint(endpoint)), nowhere)
      strictEqual(written.length, 1)
    }))

  it.scoped("gives no warning with an exporter in memory", () =>
    Effect.gen(function*() {
      const exporter = yield* probeExporter.make
      const connecting = Effect.flatMap(GrpcChannel.fromHandlers(exporter.handlers), (channel) =>
        ExporterConnection.fromChannel(channel))
      deepStrictEqual(yield* warnings(connecting, nowhere), [])
    }))

  it.scopedLive("is not confused with other clocks", () =>
    Effect.gen(function*() {
      deepStrictEqual(yield* warnings(ExporterConnection.fromEndpoint(yield* real), nowhere), [])
    }))
})

describe("whether there is a lease", () => {
  const endSession = (endpoint: Endpoint.Endpoint, options?: ExporterConnection.EndpointOptions) =>
    Effect.flatMap(
      ExporterConnection.fromEndpoint(endpoint, options),
      (connection) => Effect.either(connection.endSession)
    )

  const answered = Either.right({ ended: false, message: "No active lease context" })

  it.scopedLive("defaults to yes for Unix sockets and no for TCP", () =>
    Effect.gen(function*() {
      const unix = yield* serve({ path: yield* temporary.socketPath })
      const tcp = yield* serve(anyPort)
      deepStrictEqual(yield* endSession(unix), answered)
      strictEqual((yield* Effect.flip(Effect.flatten(endSession(tcp)))).reason, "NotLeased")
      deepStrictEqual(yield* endSession(tcp, { leased: true }), answered)
      strictEqual((yield* Effect.flip(Effect.flatten(endSession(unix, { leased: false })))).reason, "NotLeased")
    }))
})

describe("a connection from the configuration", () => {
  const withConfiguration = (
    variables: Readonly<Record<string, string>>,
    options?: Config.Config.Wrap<ExporterConnection.EndpointOptions>
  ) =>
    ExporterConnection.driver("probe").pipe(
      Effect.flatMap((probe) => probe.call("echo", "hello")),
      Effect.provide(ExporterConnection.layerConfig(Endpoint.config("BENCH"), options)),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
    )

  it.scopedLive("takes its endpoint and its options from there", () =>
    Effect.gen(function*() {
      const BENCH = Endpoint.format(yield* serve(anyPort, "open sesame"))
      const options = { passphrase: Config.redacted("PASSPHRASE"), leased: Config.succeed(false) }
      deepStrictEqual(yield* withConfiguration({ BENCH, PASSPHRASE: "open sesame" }, options), ["hello"])
      const error = yield* Effect.flip(withConfiguration({ BENCH }))
      strictEqual(error._tag === "ConnectError" && error.reason, "Unauthenticated")
    }))

  it.live("names every variable that is missing", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(withConfiguration({}, { passphrase: Config.redacted("PASSPHRASE") }))
      assertTrue(ConfigError.isConfigError(error))
      for (const name of ["BENCH", "PASSPHRASE"]) assertInclude(String(error), name)
    }))
})

describe("the environment of jmp shell", () => {
  const withEnvironment = (
    variables: Readonly<Record<string, string>>,
    options?: ExporterConnection.EnvironmentOptions
  ) =>
    ExporterConnection.driver("probe").pipe(
      Effect.flatMap((probe) => probe.call("echo", "hello")),
      Effect.provide(ExporterConnection.layerEnv(options)),
      Effect.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables)))))
    )

  const hostPort = (endpoint: Endpoint.Endpoint) => endpoint._tag === "Unix" ? "" : `localhost:${endpoint.port}`

  it.scopedLive("a Unix socket", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      yield* serve({ path })
      deepStrictEqual(yield* withEnvironment({ JUMPSTARTER_HOST: path }), ["hello"])
    }))

  for (const variable of ["JMP_GRPC_INSECURE", "JUMPSTARTER_GRPC_INSECURE"]) {
    it.scopedLive(`host and port with ${variable}`, () =>
      Effect.gen(function*() {
        const endpoint = yield* serve(anyPort)
        deepStrictEqual(yield* withEnvironment({ JUMPSTARTER_HOST: hostPort(endpoint), [variable]: "1" }), ["hello"])
      }))
  }

  it.scopedLive("host and port are TLS unless said otherwise", () =>
    Effect.gen(function*() {
      const { ca, certificate } = yield* selfSigned("localhost", "127.0.0.1")
      const endpoint = yield* serve({ ...anyPort, certificate })
      const variables = { JUMPSTARTER_HOST: hostPort(endpoint) }
      const error = yield* Effect.flip(withEnvironment(variables))
      strictEqual(error._tag === "ConnectError" && error.reason, "Unreachable")
      const trust = Endpoint.Trust.CertificateAuthority({ ca })
      deepStrictEqual(yield* withEnvironment(variables, { trust }), ["hello"])
    }))

  it.scopedLive("a passphrase", () =>
    Effect.gen(function*() {
      const endpoint = yield* serve(anyPort, "open sesame")
      const variables = { JUMPSTARTER_HOST: hostPort(endpoint), JMP_GRPC_INSECURE: "1" }
      const error = yield* Effect.flip(withEnvironment(variables))
      strictEqual(error._tag === "ConnectError" && error.reason, "Unauthenticated")
      deepStrictEqual(yield* withEnvironment({ ...variables, JMP_GRPC_PASSPHRASE: "open sesame" }), ["hello"])
    }))

  const metadata = (variables: Readonly<Record<string, string>>) =>
    Effect.gen(function*() {
      const endpoint = yield* serve(anyPort)
      return yield* Effect.map(ExporterConnection.ExporterConnection, ({ metadata }) => metadata).pipe(
        Effect.provide(ExporterConnection.layerEnv()),
        Effect.withConfigProvider(ConfigProvider.fromMap(
          new Map(Object.entries({ JUMPSTARTER_HOST: hostPort(endpoint), JMP_GRPC_INSECURE: "1", ...variables }))
        ))
      )
    })

  it.scopedLive("describes the leased exporter", () =>
    Effect.gen(function*() {
      deepStrictEqual(
        yield* metadata({
          JMP_EXPORTER: "rack-1",
          JMP_LEASE: "0193-lease",
          JMP_EXPORTER_LABELS: "board=rpi4,key=a=b,=x,y,,empty=,__proto__=z"
        }),
        Option.some({
          name: "rack-1",
          lease: Option.some("0193-lease"),
          labels: Object.fromEntries([["board", "rpi4"], ["key", "a=b"], ["empty", ""], ["__proto__", "z"]])
        })
      )
      deepStrictEqual(
        yield* metadata({ JMP_EXPORTER: "rack-1", JMP_LEASE: "", JMP_EXPORTER_LABELS: "" }),
        Option.some({ name: "rack-1", lease: Option.none(), labels: {} })
      )
    }))

  it.scopedLive("describes no leased exporter outside a lease", () =>
    Effect.gen(function*() {
      deepStrictEqual(yield* metadata({}), Option.none())
      deepStrictEqual(yield* metadata({ JMP_LEASE: "mine" }), Option.none())
      deepStrictEqual(yield* metadata({ JMP_EXPORTER: "direct", JMP_LEASE: "direct" }), Option.none())
      const connection = yield* ExporterConnection.fromEndpoint(yield* serve(anyPort))
      deepStrictEqual(connection.metadata, Option.none())
    }))

  describe("or another connection", () => {
    const fallback = Layer.fail("the fallback was built")

    const withFallback = (variables: Readonly<Record<string, string>>) =>
      ExporterConnection.driver("probe").pipe(
        Effect.flatMap((probe) => probe.call("echo", "hello")),
        Effect.provide(ExporterConnection.layerEnvOr(fallback)),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
      )

    it.scopedLive("is the one of the shell, and the other is not built", () =>
      Effect.gen(function*() {
        const path = yield* temporary.socketPath
        yield* serve({ path })
        deepStrictEqual(yield* withFallback({ JUMPSTARTER_HOST: path }), ["hello"])
      }))

    for (
      const [what, variables] of [["without a shell", {}], ["with an empty host", { JUMPSTARTER_HOST: "" }]] as const
    ) {
      it.live(`is the other one ${what}`, () =>
        Effect.gen(function*() {
          strictEqual(yield* Effect.flip(withFallback(variables)), "the fallback was built")
        }))
    }

    it.live("fails with a host that cannot be used: it never falls back", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(withFallback({ JUMPSTARTER_HOST: "not an address" }))
        assertTrue(typeof error !== "string" && error._tag === "ConnectError" && error.reason === "Address")
      }))
  })

  for (const [what, variables] of [["missing", {}], ["empty", { JUMPSTARTER_HOST: "" }]] as const) {
    it.live(`a host that is ${what} is a configuration error that names the variable`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(withEnvironment(variables))
        assertTrue(ConfigError.isConfigError(error))
        assertInclude(
          String(error),
          "JUMPSTARTER_HOST: \"set it to the address of an exporter; `jmp shell` sets it for the commands it runs\""
        )
      }))
  }

  for (const host of ["   ", ":8090", "unix:"]) {
    it.live(`the malformed address ${JSON.stringify(host)} is refused`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(withEnvironment({ JUMPSTARTER_HOST: host }))
        assertTrue(error._tag === "ConnectError")
        deepStrictEqual([error.reason, error.address], ["Address", host])
      }))
  }
})
