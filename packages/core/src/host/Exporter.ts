/**
 * The driver host: a tree of drivers behind the services of an exporter (`protocol.md` 15.2). The same exporter runs on
 * a `GrpcServer` and behind an in-memory channel.
 *
 * @since 0.1.0
 */
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Endpoint from "../grpc/Endpoint.ts"
import { GrpcHandler, type GrpcHandlers } from "../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as hostPort from "../grpc/hostPort.ts"
import { maxMessageBytes } from "../grpc/messageLimit.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"
import * as ExporterStatus from "../protocol/ExporterStatus.ts"
import * as logCodec from "../protocol/logCodec.ts"
import type * as LogEntry from "../protocol/LogEntry.ts"
import * as passphrases from "../protocol/passphrase.ts"
import * as rpcs from "../protocol/rpcs.ts"
import type * as Resource from "../resource/Resource.ts"
import * as GrpcServer from "../transport/GrpcServer.ts"
import * as callLog from "./callLog.ts"
import * as callRouter from "./callRouter.ts"
import * as Driver from "./Driver.ts"
import * as driverTable from "./driverTable.ts"
import * as inFlight from "./inFlight.ts"
import * as hostLog from "./log.ts"
import * as exchange from "./presigned/exchange.ts"
import * as presignedHttpClient from "./presigned/httpClient.ts"
import * as presignedRequests from "./presigned/requests.ts"
import * as services from "./services.ts"

/**
 * A running driver host.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exporter {
  /** The exporter's services, ready to be served or put behind an in-memory channel. */
  readonly handlers: GrpcHandlers
  /** Sets the status that clients see, which also decides whether calls are accepted (`protocol.md` 4.2). */
  readonly setStatus: (status: ExporterStatus.ExporterStatus, message?: string) => Effect.Effect<void>
  /** Adds a line to the log stream. */
  readonly log: (entry: LogEntry.LogEntry) => Effect.Effect<void>
  /**
   * Adds a text to the message of the day, which clients read when they connect. The text takes the place of an earlier one. A text that
   * does not fit into a report is left out, with a warning.
   */
  readonly announce: (text: string) => Effect.Effect<void>
}

/**
 * Limits on what clients can make an exporter hold, per driver or per reader of the log.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterLimits {
  /**
   * How many resources of one driver may wait for the call that uses them; 64 unless given. Further ones are refused with
   * `RESOURCE_EXHAUSTED`.
   */
  readonly pendingResources?: number | undefined
  /**
   * How long a resource may wait for the call that uses it; 10 minutes unless given. After that, the client's transfer
   * fails with `DEADLINE_EXCEEDED`.
   */
  readonly resourceWait?: Duration.DurationInput | undefined
  /**
   * How many calls may wait for one driver because of its `concurrency`; 1,024 unless given. Further ones are refused with
   * `RESOURCE_EXHAUSTED`.
   */
  readonly waitingCalls?: number | undefined
  /**
   * How many log lines are kept for late readers, and for slow ones; 256 unless given, as on Python exporters. A slow
   * reader loses the oldest lines, and a line from `SYSTEM` says how many. With 0, a late reader gets no earlier lines, and
   * a slow one keeps the latest line.
   */
  readonly logBacklog?: number | undefined
  /**
   * How many characters are kept of a log line's message, of its driver type and operation, and of each of its fields;
   * 65,536 unless given. A whole line has a million at most, to stay below the 4 MiB of a gRPC message. The field
   * `fields_left_out` counts the fields that did not fit.
   */
  readonly logLineLength?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ExporterOptions {
  /** The exporter's labels. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** The message of the day. */
  readonly motd?: string | undefined
  /**
   * Whether this program's own loggers also get the lines that drivers log, and the drivers' failures with their causes;
   * true unless given.
   */
  readonly localLogs?: boolean | undefined
  /** The initial status; `LEASE_READY` unless given, as for local serving. */
  readonly status?: ExporterStatus.ExporterStatus | undefined
  /** Limits on what clients can make the exporter hold. */
  readonly limits?: ExporterLimits | undefined
  /**
   * Which presigned requests this exporter makes for clients (`protocol.md` 6.4); all of them unless given. The function is
   * called for each request and each redirect. It gets the URL as `URL` parses it; the request is sent exactly as the
   * client wrote it, because a signature covers that text.
   */
  readonly presigned?: boolean | ((method: Resource.PresignedRequest["method"], url: URL) => boolean) | undefined
  /**
   * Guarded networks that presigned requests may reach; none unless given. Clients choose the URL, so without a guard they
   * would reach what only the exporter's machine can reach: `loopback` is the machine itself, `link-local` are neighbours
   * without a router in between (169.254.0.0/16, fe80::/10), and `metadata` are the services that return a cloud's
   * credentials. The address of the actual connection decides, also after a redirect. Private networks such as
   * 192.168.0.0/16 are not guarded.
   */
  readonly presignedNetworks?: ReadonlyArray<"loopback" | "link-local" | "metadata"> | undefined
  /**
   * The HTTP client for presigned requests. Unless given, the exporter connects directly, without the proxy variables of
   * its environment, as Python exporters do. Your client must not follow redirects by itself. It may rewrite URLs: `fetch`
   * does, and refuses some ports. It resolves names by itself, or a proxy does, so `presignedNetworks` then covers only
   * `localhost` and hosts that are addresses.
   */
  readonly httpClient?: HttpClient.HttpClient | undefined
}

/**
 * A driver could not be reset, so nothing is hosted. `driver` is its path in the tree, empty for the root.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResetError extends Schema.TaggedError<ResetError>(
  "@effect-jumpstarter/core/Exporter/ResetError"
)("ResetError", { driver: Schema.String, cause: DriverFailure.DriverFailure }) {
  override get message(): string {
    return `${this.driver === "" ? "the root driver" : this.driver} could not be reset: ${this.cause.message}`
  }
}

const { methods } = ExporterServiceDefinition

const unary = <Response>(
  method: {
    readonly name: string
    readonly responseType: { readonly encode: (message: Response) => { readonly finish: () => Uint8Array } }
  },
  answer: Effect.Effect<Response>
): readonly [string, GrpcHandler] => [
  rpcs.ofExporter(method),
  GrpcHandler.Unary({ handle: () => Effect.map(answer, (response) => method.responseType.encode(response).finish()) })
]

const host = Effect.fnUntraced(function*(
  treeOf: (maxWaiting: number) => driverTable.HostedTree,
  options: ExporterOptions
) {
  const uuid = crypto.randomUUID()
  const tree = treeOf(options.limits?.waitingCalls ?? 1_024)
  const reportWith = (announced: string) =>
    methods.getReport.responseType.encode({
      uuid,
      labels: { ...options.labels },
      reports: [...tree.reports],
      alternativeEndpoints: [],
      motd: [options.motd ?? "", announced].filter((text) => text !== "").join("\n")
    }).finish()
  // Encoding it takes milliseconds for an exporter with thousands of drivers.
  let report = reportWith("")
  if (report.length > maxMessageBytes) {
    throw new RangeError(
      `the report of ${tree.reports.length} drivers has ${report.length} bytes, and the protocol allows at most ` +
        `${maxMessageBytes}: no client could connect. Divide the drivers among several exporters, or shorten their descriptions`
    )
  }
  let status = new ExporterStatus.StatusReport({
    status: options.status ?? "LEASE_READY",
    message: "",
    version: Option.some(0n),
    previous: Option.none()
  })
  const log = hostLog.make({
    backlog: options.limits?.logBacklog ?? 256,
    lineLength: options.limits?.logLineLength ?? 65_536,
    localLogs: options.localLogs ?? true
  })
  const admits = options.presigned ?? true
  const networks = new Set(options.presignedNetworks)

  const host: callRouter.Host = {
    tree,
    limits: {
      pendingResources: options.limits?.pendingResources ?? 64,
      resourceWait: Duration.decode(options.limits?.resourceWait ?? "10 minutes")
    },
    openPresigned: presignedRequests.make(
      options.httpClient === undefined
        ? exchange.direct(networks)
        : presignedHttpClient.toExchange(options.httpClient),
      { admits: typeof admits === "boolean" ? () => admits : admits, networks }
    ),
    gate: () =>
      ExporterStatus.admitsDriverCalls(status.status)
        ? undefined
        : GrpcStatus.make("FAILED_PRECONDITION", `Exporter not ready for driver calls (status: ${status.status})`),
    log
  }

  for (const instance of tree.instances) {
    yield* Effect.mapError(
      callLog.reset(
        { log, driver: instance.driver, call: { driver: instance.path, kind: "call", method: "reset" } },
        instance.driver.reset
      ),
      (cause) => new ResetError({ driver: instance.path, cause })
    )
  }

  const track = yield* inFlight.make
  const exporter: Exporter = {
    handlers: track(
      new Map<string, GrpcHandler>([
        [rpcs.ofExporter(methods.getReport), GrpcHandler.Unary({ handle: () => Effect.sync(() => report) })],
        unary(
          methods.getStatus,
          Effect.sync(() => ({
            status: ExporterStatus.toNumber(status.status),
            message: status.message,
            statusVersion: Option.getOrElse(status.version, () => 0n),
            previousStatus: Option.getOrUndefined(Option.map(status.previous, ExporterStatus.toNumber))
          }))
        ),
        unary(methods.endSession, Effect.succeed({ success: false, message: "No active lease context" })),
        [
          rpcs.ofExporter(methods.logStream),
          GrpcHandler.ServerStreaming({
            handle: () =>
              Stream.map(
                log.entries,
                (entry) => methods.logStream.responseType.encode(logCodec.toProto(entry)).finish()
              )
          })
        ],
        [rpcs.ofExporter(methods.driverCall), callRouter.driverCall(host)],
        [rpcs.ofExporter(methods.streamingDriverCall), callRouter.streamingDriverCall(host)],
        [
          rpcs.stream,
          callRouter.stream(host)
        ]
      ])
    ),
    setStatus: (next, message = "") =>
      Effect.sync(() => {
        status = new ExporterStatus.StatusReport({
          status: next,
          message,
          version: Option.map(status.version, (version) => version + 1n),
          previous: Option.some(status.status)
        })
      }),
    log: (entry) => Effect.sync(() => log.publish(entry)),
    announce: (text) =>
      Effect.suspend(() => {
        const next = reportWith(text)
        if (next.length > maxMessageBytes) {
          return Effect.logWarning(
            `a message of the day with ${text.length} more characters is left out: the report would have ${next.length} bytes, ` +
              `and the protocol allows at most ${maxMessageBytes}`
          )
        }
        report = next
        return Effect.void
      })
  }
  return exporter
})

/**
 * Hosts a tree of drivers, after resetting each of them once, parents first. Lines that drivers log through Effect's logger
 * also reach every reader of the log stream; late readers get the latest ones.
 *
 * The exporter is not held by a lease: `EndSession` returns "No active lease context" (`protocol.md` 9.3).
 *
 * Handlers use the services of the program that makes the exporter.
 *
 * When the scope closes, calls and streams are interrupted, and the close waits for their finalizers. A device acquired in
 * the same scope, or in one around it, is released after that; `Driver.make` has an example.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Driver, Exporter } from "@effect-jumpstarter/core"
 * import { Effect } from "effect"
 *
 * const relay = Driver.make({
 *   client: "jumpstarter_driver_power.client.PowerClient",
 *   methods: {
 *     on: Driver.call(() => Effect.log("relay closed")),
 *     off: Driver.call(() => Effect.log("relay opened"))
 *   }
 * })
 *
 * const program = Effect.gen(function*() {
 *   const exporter = yield* Exporter.make(Driver.composite({ power: relay }))
 *   yield* Exporter.serve(exporter, { path: "/tmp/bench.sock" })
 *   return yield* Effect.never
 * }).pipe(Effect.scoped)
 * ```
 */
export const make = <R = never>(
  root: Driver.Driver<R>,
  options: ExporterOptions = {}
): Effect.Effect<Exporter, ResetError, R | Scope.Scope> =>
  Effect.flatMap(Effect.context<R>(), (context) => {
    const provide = services.provide(context)
    return host((maxWaiting) => driverTable.make(root, provide, maxWaiting), options)
  })

/**
 * Options of one address at which an exporter is served.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServeOptions extends GrpcServer.ServerOptions {
  /** Required of every RPC (`protocol.md` 10.4). */
  readonly passphrase?: Redacted.Redacted | undefined
}

/**
 * Serves an exporter until the scope closes, and returns the endpoint at which clients reach it.
 *
 * Fails for a passphrase that no client can send: it must be printable ASCII, without spaces at its ends.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = (
  exporter: Exporter,
  listen: GrpcServer.Listen,
  options: ServeOptions = {}
): Effect.Effect<Endpoint.Endpoint, GrpcServer.GrpcServerError, Scope.Scope> => {
  const { passphrase } = options
  const problem = passphrase === undefined ? undefined : passphrases.problemToDemand(passphrase)
  if (problem !== undefined) {
    return new GrpcServer.GrpcServerError({ address: hostPort.formatListen(listen), details: problem })
  }
  const handlers = passphrase === undefined ? exporter.handlers : passphrases.demand(exporter.handlers, passphrase)
  return Effect.tap(GrpcServer.serve(handlers, listen, options), (endpoint) => {
    if ("path" in listen || endpoint._tag !== "Tcp" || hostPort.isLoopback(listen.host)) return Effect.void
    return Effect.logWarning(
      passphrase === undefined
        ? "The exporter has neither TLS nor a passphrase: anyone who reaches its port can use its drivers"
        : "The exporter's passphrase is sent without TLS: anyone who can read the traffic can use its drivers"
    )
  })
}

/**
 * A served exporter, and its endpoint.
 *
 * @since 0.1.0
 * @category tags
 */
export class ServedExporter extends Context.Tag("@effect-jumpstarter/core/Exporter/ServedExporter")<
  ServedExporter,
  Exporter & { readonly endpoint: Endpoint.Endpoint }
>() {}

/**
 * Hosts drivers by name and serves them as long as the layer lives. Drivers can come from an effect, which may be scoped:
 * its resources are released with the layer, after the last call. Handlers use the services of the layer.
 *
 * `Layer.launch` turns it into a program. `ExporterTest.layer` takes the same drivers without serving them.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Driver, Exporter } from "@effect-jumpstarter/core"
 * import { Power } from "@effect-jumpstarter/core/drivers"
 * import { Context, Effect, Layer } from "effect"
 *
 * class Relay extends Context.Tag("Relay")<Relay, { readonly set: (closed: boolean) => Effect.Effect<void> }>() {}
 *
 * const power = Driver.fromInterface(Power.contract, {
 *   on: () => Effect.flatMap(Relay, (relay) => relay.set(true)),
 *   off: () => Effect.flatMap(Relay, (relay) => relay.set(false))
 * })
 *
 * const Bench = Exporter.layer({ power }, { path: "/tmp/bench.sock" })
 *
 * const RelayLive = Layer.succeed(Relay, { set: (closed) => Effect.log(closed) })
 *
 * const program = Layer.launch(Layer.provide(Bench, RelayLive))
 * ```
 */
export const layer = <Child extends Driver.Driver<unknown> = never, E = never, R = never>(
  drivers: Readonly<Record<string, Child>> | Effect.Effect<Readonly<Record<string, Child>>, E, R>,
  listen: GrpcServer.Listen,
  options: ExporterOptions & ServeOptions = {}
): Layer.Layer<
  ServedExporter,
  E | ResetError | GrpcServer.GrpcServerError,
  Exclude<R, Scope.Scope> | Driver.Services<Child>
> =>
  Layer.scoped(
    ServedExporter,
    Effect.gen(function*() {
      const exporter = yield* make(Driver.composite(Effect.isEffect(drivers) ? yield* drivers : drivers), options)
      return { ...exporter, endpoint: yield* serve(exporter, listen, options) }
    })
  )
