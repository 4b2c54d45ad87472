// An exporter in its own process, which reports its holdings over IPC: `hostileHost.mjs PATH [IDENTITY]`. With an identity it registers
// with a controller instead of listening. victim.ts forks it, with --expose-gc.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as ExporterConfig from "../../src/controller/ExporterConfig.ts"
import type * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as DriverFailure from "../../src/protocol/DriverFailure.ts"
import * as ExporterRegistration from "../../src/registration/ExporterRegistration.ts"
import type * as GrpcServer from "../../src/transport/GrpcServer.ts"
import { selfSigned } from "./certificates.ts"
import type { Holdings, Ready, Registers } from "./victim.ts"

const [path = "", identity = ""] = process.argv.slice(2)

let devices = 0

const device = Effect.acquireRelease(
  Effect.sync(() => {
    devices += 1
  }),
  () =>
    Effect.sync(() => {
      devices -= 1
    })
)

const silent = { read: Stream.never, write: () => Effect.void, end: Effect.void }

const victim = Driver.make({
  client: "test.client.Victim",
  methods: {
    echo: Driver.call((args) => Effect.succeed(args)),
    log: Driver.call(([text]) => Effect.log(text)),
    excerpt: Driver.call(([text]) => Effect.log(String(text).slice(0, 100))),
    fail: Driver.call(([text]) => DriverFailure.make("InvalidArgument", String(text))),
    hang: Driver.call(() => Effect.scoped(Effect.zipRight(device, Effect.never))),
    flood: Driver.streamingCall(([size]) =>
      Stream.unwrapScoped(Effect.as(device, Stream.repeatEffect(Effect.sync(() => "x".repeat(Number(size))))))
    ),
    silent: Driver.streamingCall(() => Stream.unwrapScoped(Effect.as(device, Stream.never))),
    idle: Driver.stream(Effect.as(device, silent)),
    stuck: Driver.stream(Effect.as(device, { ...silent, write: () => Effect.never })),
    endless: Driver.stream(
      Effect.as(device, { ...silent, read: Stream.repeatEffect(Effect.sync(() => new Uint8Array(65_536))) })
    )
  }
})

const measure = (supervisor: Supervisor.Supervisor<ReadonlyArray<unknown>>): Effect.Effect<Holdings> =>
  Effect.map(supervisor.value, (fibers) => {
    // The second collection frees what the first one finalized.
    globalThis.gc?.()
    globalThis.gc?.()
    const resources = process.getActiveResourcesInfo()
    const { external, heapUsed } = process.memoryUsage()
    return {
      devices,
      fibers: fibers.length,
      sockets: resources.filter((name) => name === "TCPSocketWrap").length,
      timers: resources.filter((name) => name === "Timeout").length,
      bytes: heapUsed + external
    }
  })

const send = (message: Ready | Holdings) => process.send?.(message)

const portOf = (endpoint: Endpoint.Endpoint): number => endpoint._tag === "Unix" ? 0 : endpoint.port

const listen = Effect.gen(function*() {
  const exporter = yield* Exporter.make(Driver.composite({ victim }), { localLogs: false })
  // Short times, so that the exporter notices vanished peers during the test.
  const options = { keepaliveTime: "500 millis", keepaliveTimeout: "2 seconds" } as const
  const serve = (listen: GrpcServer.Listen) => Effect.map(Exporter.serve(exporter, listen, options), portOf)
  const { certificate } = yield* selfSigned("localhost")
  const anyPort = { host: "127.0.0.1", port: 0 }
  const port = yield* serve(anyPort)
  const tlsPort = yield* serve({ ...anyPort, certificate })
  yield* serve({ path })
  return { port, tlsPort }
})

const register = (identity: string) =>
  Effect.gen(function*() {
    const { ca, ...values }: Registers = JSON.parse(identity)
    const config = yield* ExporterConfig.make({ ...values, token: Redacted.make(values.token), tls: { ca } })
    yield* Effect.provide(
      // A short time, so that the exporter gives up clients that left early during the test.
      ExporterRegistration.make({ drivers: { victim }, localLogs: false, clientTimeout: "5 seconds" }),
      yield* Layer.build(ExporterRegistration.Identity.layer(config))
    )
    return { port: 0, tlsPort: 0 }
  })

const program = Effect.gen(function*() {
  const supervisor = yield* Supervisor.track
  const ready = yield* identity === ""
    ? Effect.supervised(listen, supervisor)
    : Effect.supervised(register(identity), supervisor)
  process.on("message", () => Effect.runFork(Effect.map(measure(supervisor), send)))
  send(ready)
  return yield* Effect.never
}).pipe(Effect.scoped, Logger.withMinimumLogLevel(LogLevel.None))

process.once("disconnect", () => process.exit())

NodeRuntime.runMain(program)
