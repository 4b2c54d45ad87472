// Nothing that a program might print contains a passphrase or a token: errors, log lines, spans.
import { ControllerServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Controller from "../../src/controller/Controller.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as Lease from "../../src/lease/Lease.ts"
import * as rpcs from "../../src/protocol/rpcs.ts"
import * as ExporterRegistration from "../../src/registration/ExporterRegistration.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as probeExporter from "../support/probeExporter.ts"
import * as process from "../support/process.ts"

const { listen } = ControllerServiceDefinition.methods

const listenRpc = rpcs.of(ControllerServiceDefinition, listen)

const secret = "correct-horse-battery-staple"

const anyPort = { host: "127.0.0.1", port: 0 }

/** Every text that a program can print of a value. */
const faces = (value: unknown): ReadonlyArray<string> => {
  // A bigint has no JSON.
  const attempt = (render: (value: unknown) => string | undefined) => {
    try {
      return render(value) ?? ""
    } catch (error) {
      return String(error)
    }
  }
  return [
    attempt(String),
    attempt(JSON.stringify),
    inspect(value, { depth: Infinity, showHidden: true, maxArrayLength: Infinity, maxStringLength: Infinity }),
    ...(value instanceof Error ? [value.message, value.stack ?? ""] : [])
  ]
}

/** Runs an effect, and collects its log lines, its spans and its exit. */
const observe = <A, E>(effect: Effect.Effect<A, E>, secrets: ReadonlySet<string> = new Set([secret])) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const see = (...values: ReadonlyArray<unknown>) =>
      values.forEach((value) => faces(value).forEach((face) => seen.push(face)))
    let lines = 0
    let spans = 0
    const logger = Logger.make<unknown, void>(({ annotations, cause, message }) => {
      lines += 1
      see(message, Cause.pretty(cause), Object.fromEntries(HashMap.toEntries(annotations)))
    })
    const tracer = Tracer.make({
      span: (name, parent, context, links, startTime, kind) => {
        spans += 1
        const attributes = new Map<string, unknown>()
        see(name)
        return {
          _tag: "Span",
          name,
          spanId: String(spans),
          traceId: "trace",
          parent,
          context,
          links,
          kind,
          sampled: true,
          attributes,
          status: { _tag: "Started", startTime },
          attribute: (key, value) => {
            attributes.set(key, value)
            see([key, value])
          },
          event: (name, _startTime, attributes) => {
            see(name, attributes)
          },
          addLinks: () => {},
          end: (_endTime, exit) => {
            see(Object.fromEntries(attributes), exit)
            if (Exit.isFailure(exit)) see(Cause.pretty(exit.cause, { renderErrorCause: true }))
          }
        }
      },
      context: (f) => f()
    })
    const exit = yield* Effect.exit(Effect.withSpan(effect, "program")).pipe(
      Effect.withTracer(tracer),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(LogLevel.All)
    )
    see(exit)
    if (Exit.isFailure(exit)) {
      see(Cause.pretty(exit.cause, { renderErrorCause: true }), Cause.squash(exit.cause))
    } else {
      see(exit.value)
    }
    deepStrictEqual(seen.filter((text) => Array.from(secrets).some((secret) => text.includes(secret))), [])
    return { exit, lines, spans }
  })

const serve = Effect.flatMap(
  probeExporter.make,
  (exporter) => Exporter.serve(exporter, anyPort, { passphrase: Redacted.make(secret) })
).pipe(Effect.provide(probeExporter.quiet))

const address = (endpoint: Endpoint.Endpoint) => endpoint._tag === "Unix" ? "" : `${endpoint.host}:${endpoint.port}`

const environment = (endpoint: Endpoint.Endpoint, passphrase: string) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(
    new Map([
      ["JUMPSTARTER_HOST", address(endpoint)],
      ["JMP_GRPC_INSECURE", "1"],
      ["JMP_GRPC_PASSPHRASE", passphrase]
    ])
  ))

// A call, a streaming call, a byte stream, and a failure of each origin, with the exporter's log.
const program = Effect.gen(function*() {
  const connection = yield* ExporterConnection.ExporterConnection
  yield* connection.logStream()
  const probe = yield* connection.driver("probe")
  yield* Effect.withSpan(probe.call("echo", 1), "call")
  yield* Stream.runDrain(Stream.withSpan(probe.streamingCall("count", 3), "streamingCall"))
  yield* Effect.scoped(Effect.flatMap(probe.stream("bytes_echo"), ({ write }) => write(new Uint8Array(3))))
  const failures = yield* Effect.all([
    Effect.flip(Effect.withSpan(probe.call("fail", "runtime", "no"), "failing call")),
    Effect.flip(probe.call("echo", NaN)),
    Effect.flip(Effect.scoped(probe.stream("fail_open")))
  ])
  yield* Effect.logError("failed", failures)
  return { connection, failures }
}).pipe(Effect.scoped)

describe("a passphrase does not show", () => {
  it.scopedLive("when all goes well", () =>
    Effect.gen(function*() {
      const endpoint = yield* serve
      const { exit, lines, spans } = yield* observe(
        program.pipe(Effect.provide(ExporterConnection.layerEnv()), Effect.provide(environment(endpoint, secret)))
      )
      assertTrue(Exit.isSuccess(exit), String(exit))
      // Without lines and spans there would be nothing to search.
      assertTrue(lines > 0 && spans > 2, `${lines} lines, ${spans} spans`)
    }))

  it.scopedLive("when it is the wrong one", () =>
    Effect.gen(function*() {
      const endpoint = yield* Effect.flatMap(probeExporter.make, (exporter) =>
        Exporter.serve(exporter, anyPort, { passphrase: Redacted.make("another") }))
      for (
        const layer of [
          ExporterConnection.layer(endpoint, { passphrase: Redacted.make(secret) }),
          Layer.provide(ExporterConnection.layerEnv(), environment(endpoint, secret))
        ]
      ) {
        const { exit } = yield* observe(Effect.provide(program, layer))
        assertTrue(Exit.isFailure(exit))
        const error = Cause.squash(exit.cause)
        strictEqual(error instanceof ExporterConnection.ConnectError && error.reason, "Unauthenticated")
      }
    }))

  it.scopedLive("when the connection is lost, or cannot be made", () =>
    Effect.gen(function*() {
      const exporter = yield* process.start(process.typescript(), ["--passphrase", secret])
      const endpoint = yield* Endpoint.parse(exporter.ready.passphraseTcp ?? "", { security: "insecure" })
      const connection = ExporterConnection.layer(endpoint, { passphrase: Redacted.make(secret) })
      const lost = yield* observe(
        Effect.gen(function*() {
          const { driver, logStream, status } = yield* ExporterConnection.ExporterConnection
          const probe = yield* driver("probe")
          yield* logStream()
          const hanging = yield* Effect.fork(Effect.withSpan(probe.call("hang"), "call"))
          yield* Effect.repeat(probe.call("open_count"), { until: (count) => count === 1 })
          yield* exporter.kill
          const failures = [
            yield* Effect.flip(Fiber.join(hanging)),
            yield* Effect.flip(probe.call("echo")),
            yield* Effect.flip(status)
          ]
          yield* Effect.logError("lost", failures)
          return yield* Effect.fail(failures)
        }).pipe(Effect.scoped, Effect.provide(connection))
      )
      assertTrue(Exit.isFailure(lost.exit))
      const failures = Cause.squash(lost.exit.cause)
      deepStrictEqual(Array.isArray(failures) && failures.map(({ _tag }) => _tag), [
        "ConnectionLost",
        "ConnectionLost",
        "GrpcStatusError"
      ])
      const never = yield* observe(Effect.provide(program, connection))
      assertTrue(Exit.isFailure(never.exit))
    }), 30_000)

  it.scopedLive("in a connection or its options when they are printed", () =>
    Effect.gen(function*() {
      const endpoint = yield* serve
      const options = { passphrase: Redacted.make(secret) }
      const connection = yield* ExporterConnection.fromEndpoint(endpoint, options)
      deepStrictEqual([...faces(connection), ...faces(options)].filter((face) => face.includes(secret)), [])
    }))
})

describe("the tokens of a lease do not show", () => {
  it.scopedLive("in what a program prints from the request to the end, and in errors", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const ping = Driver.call(() => Effect.succeed("pong"))
      yield* lab.hostExporter("rpi", { power: Driver.make({ client: "none.Client", methods: { ping } }) })
      const alice = yield* lab.addClient("alice")
      const tokens = new Set<string>()
      const keep = ({ token }: { readonly token: Redacted.Redacted }) =>
        Effect.sync(() => tokens.add(Redacted.value(token)))
      yield* keep(alice)
      const given = yield* lab.controllerOf(alice)
      const controller: Controller.ControllerClient = {
        ...given,
        dial: (lease) => Effect.tap(given.dial(lease), keep)
      }
      const stranger = yield* lab.controllerOf({ ...alice, token: Redacted.make(`${Redacted.value(alice.token)}x`) })
      const { exit, lines, spans } = yield* observe(
        Effect.gen(function*() {
          const lease = yield* Lease.acquire({ exporterName: "rpi", duration: "10 minutes" })
          const power = yield* lease.connection.driver("power")
          yield* power.call("ping")
          yield* lease.extend("1 minute")
          const rotated = yield* Effect.tap(controller.rotateToken, keep)
          yield* Effect.logInfo(
            "held",
            controller,
            controller.config,
            lease,
            rotated,
            lease.environment(Endpoint.unix("/x"))
          )
          const refused = yield* Effect.flip(stranger.lease(lease.name))
          yield* lab.expire(lease.name)
          const lost = yield* Effect.flip(Effect.forever(power.call("ping")))
          yield* Effect.logError("failed", refused, lost)
          return yield* Effect.fail([refused, lost])
        }).pipe(Effect.scoped, Effect.provideService(Controller.Controller, controller)),
        tokens
      )
      assertTrue(Exit.isFailure(exit))
      assertTrue(tokens.size >= 3 && lines > 3 && spans > 2, `${tokens.size} tokens, ${lines} lines, ${spans} spans`)
    }), 60_000)
})

describe("the tokens of an exporter do not show", () => {
  it.scopedLive(
    "in what it prints while it lends drivers, is refused, and loses its controller",
    () =>
      Effect.gen(function*() {
        const lab = yield* ControllerTest.make()
        const credentials = yield* lab.addExporter("rpi")
        const anothers = "token-of-another-service"
        const tokens = new Set([Redacted.value(credentials.token), anothers])
        const given = yield* lab.identityOf(credentials)
        const identity: ExporterRegistration.IdentityService = {
          ...given,
          controller: {
            ...given.controller,
            serverStreaming: (rpc, message, options) =>
              Stream.tap(given.controller.serverStreaming(rpc, message, options), (answer) =>
                Effect.sync(() => {
                  if (rpc === listenRpc) tokens.add(listen.responseType.decode(answer).routerToken)
                }))
          }
        }
        const stranger = yield* lab.identityOf({ ...credentials, token: Redacted.make(anothers) })
        const controller = yield* Effect.flatMap(lab.addClient("alice"), lab.controllerOf)
        const ping = Driver.call(() => Effect.succeed("pong"))
        const drivers = { power: Driver.make({ client: "none.Client", methods: { ping } }) }
        const leasing = Effect.gen(function*() {
          const lease = yield* Lease.acquire({ exporterName: "rpi", duration: "10 minutes" })
          return { lease: lease.name, power: yield* lease.connection.driver("power") }
        }).pipe(Effect.provideService(Controller.Controller, controller))
        const { exit, lines, spans } = yield* observe(
          Effect.gen(function*() {
            const beforeLease = { run: Effect.flatMap(ExporterRegistration.CurrentLease, Effect.logInfo) }
            const registration = yield* ExporterRegistration.make({ drivers, hooks: { beforeLease } }).pipe(
              Effect.provideService(ExporterRegistration.Identity, identity)
            )
            const { lease, power } = yield* leasing
            yield* power.call("ping")
            yield* Effect.logInfo("registered", registration, identity, identity.config)
            const refused = yield* ExporterRegistration.make({ drivers }).pipe(
              Effect.provideService(ExporterRegistration.Identity, stranger),
              Effect.flip
            )
            yield* lab.restart
            yield* lab.expire(lease)
            const lost = yield* Effect.flip(Effect.forever(power.call("ping")))
            yield* Effect.logError("failed", lost, refused)
            return yield* Effect.fail([lost, refused])
          }).pipe(Effect.scoped),
          tokens
        )
        assertTrue(Exit.isFailure(exit))
        assertTrue(tokens.size >= 3 && lines > 3 && spans > 2, `${tokens.size} tokens, ${lines} lines, ${spans} spans`)
      }),
    60_000
  )
})
