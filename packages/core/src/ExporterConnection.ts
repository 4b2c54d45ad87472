/**
 * A live connection to an exporter: its drivers, its status and its log. This is the layer a program runs with.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as DriverClient from "./DriverClient.ts"
import type * as DriverTree from "./DriverTree.ts"
import * as Endpoint from "./Endpoint.ts"
import * as ExporterClient from "./ExporterClient.ts"
import * as ExporterStatus from "./ExporterStatus.ts"
import * as GrpcChannel from "./GrpcChannel.ts"
import type { GrpcStatusError } from "./GrpcStatus.ts"
import * as gate from "./internal/gate.ts"
import type { LogEvent } from "./LogEntry.ts"
import * as LogStream from "./LogStream.ts"

/**
 * The exporter could not be connected to.
 *
 * - `Address`: the address, its certificate authority or the passphrase cannot be used
 * - `Unreachable`: nothing answers there
 * - `Timeout`: there was no answer within the connect timeout
 * - `Unauthenticated`: the passphrase is missing or wrong
 * - `Refused`: the exporter answered the first request with another failure
 * - `InvalidReport`: the exporter's answer makes no driver tree
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectError extends Schema.TaggedError<ConnectError>(
  "@effect-jumpstarter/core/ExporterConnection/ConnectError"
)("ConnectError", {
  address: Schema.String,
  reason: Schema.Literal("Address", "Unreachable", "Timeout", "Unauthenticated", "Refused", "InvalidReport"),
  details: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `cannot connect to the exporter at ${this.address} (${this.reason}): ${this.details}`
  }
}

/**
 * The exporter went into a status from which it will not become ready, such as a failed hook.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotReadyError extends Schema.TaggedError<NotReadyError>(
  "@effect-jumpstarter/core/ExporterConnection/NotReadyError"
)("NotReadyError", { address: Schema.String, status: ExporterStatus.ExporterStatus, details: Schema.String }) {
  override get message(): string {
    return `the exporter at ${this.address} is ${this.status}${this.details === "" ? "" : `: ${this.details}`}`
  }
}

/**
 * A live connection to an exporter.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  /** The exporter's address. */
  readonly address: string
  readonly uuid: string
  readonly labels: Readonly<Record<string, string>>
  /** The message of the day; empty when there is none. */
  readonly motd: string
  /** The client of the root driver, through which all others are found. */
  readonly root: DriverClient.DriverClient
  /** The client of the driver at a path, as in `storage.mux`. */
  readonly driver: DriverClient.DriverClient["child"]
  /**
   * The exporter's status. An exporter that predates statuses counts as `LEASE_READY`, without a version
   * (`protocol.md` 9.5).
   */
  readonly status: Effect.Effect<ExporterStatus.StatusReport, GrpcStatusError>
  /**
   * Waits until the exporter is `LEASE_READY`, asking every 100 ms. Fails when a beforeLease hook failed or the
   * exporter goes offline. Bound it with `Effect.timeout`.
   */
  readonly awaitReady: Effect.Effect<ExporterStatus.StatusReport, NotReadyError | GrpcStatusError>
  /** The exporter's log from now on, for any number of consumers. */
  readonly logs: Stream.Stream<LogEvent>
  /** Writes the exporter's log into Effect's logger while the scope is open. */
  readonly logStream: LogStream.LogStream["forward"]
}

/**
 * The connection to an exporter that a program runs with.
 *
 * @since 0.1.0
 * @category tags
 */
export class ExporterConnection extends Context.Tag("@effect-jumpstarter/core/ExporterConnection")<
  ExporterConnection,
  Connection
>() {}

/**
 * The client of the driver at a path, as in `storage.mux`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
 * import { Effect, Stream } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const power = yield* ExporterConnection.driver("power")
 *   yield* power.call("on")
 *   return yield* Stream.runHead(power.streamingCall("read"))
 * })
 *
 * program.pipe(Effect.provide(ExporterConnection.layer(Endpoint.unix("/run/jumpstarter.sock"))))
 * ```
 */
export const driver = (
  path: string | ReadonlyArray<string>
): Effect.Effect<DriverClient.DriverClient, DriverTree.DriverNotFound, ExporterConnection> =>
  Effect.flatMap(ExporterConnection, (connection) => connection.driver(path))

/**
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions {
  /** How long connecting and the first answer may take; 10 seconds unless given. */
  readonly connectTimeout?: Duration.DurationInput | undefined
}

const refusal = (address: string, error: GrpcStatusError | DriverTree.InvalidReport): ConnectError => {
  if (error._tag === "InvalidReport") {
    return new ConnectError({ address, reason: "InvalidReport", details: error.reason, cause: error })
  }
  const reason = error.origin === "client" && error.code === "INVALID_ARGUMENT"
    ? "Address"
    : error.origin === "transport"
    ? "Unreachable"
    : error.code === "UNAUTHENTICATED"
    ? "Unauthenticated"
    : "Refused"
  return new ConnectError({
    address,
    reason,
    details: reason === "Refused" ? `${error.code}: ${error.details}` : error.details,
    cause: error
  })
}

/**
 * Connects through a channel: asks for the driver tree and the status.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromChannel = (
  channel: typeof GrpcChannel.GrpcChannel.Service,
  options: ConnectOptions = {}
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  Effect.gen(function*() {
    const exporter = ExporterClient.make(channel)
    const address = exporter.target
    const status = Effect.catchIf(
      exporter.getStatus,
      ({ code, origin }) => origin === "peer" && code === "UNIMPLEMENTED",
      () =>
        Effect.succeed(
          new ExporterStatus.StatusReport({
            status: "LEASE_READY",
            message: "",
            version: Option.none(),
            previous: Option.none()
          })
        )
    )
    const timeout = options.connectTimeout ?? "10 seconds"
    const [report, initialStatus] = yield* Effect.all([exporter.getReport, status]).pipe(
      Effect.mapError((error) => refusal(address, error)),
      Effect.timeoutFail({
        duration: timeout,
        onTimeout: () => new ConnectError({ address, reason: "Timeout", details: "no answer in time" })
      })
    )
    const statusGate = yield* gate.make(status, initialStatus)
    const logs = yield* LogStream.make(exporter)
    const root = DriverClient.make({ exporter, gate: statusGate.check, logs }, report.root)

    const awaitReady: Connection["awaitReady"] = statusGate.status.pipe(
      Effect.filterOrFail(
        ({ status }) =>
          status !== "BEFORE_LEASE_HOOK_FAILED" && status !== "AFTER_LEASE_HOOK_FAILED" && status !== "OFFLINE",
        ({ message, status }) => new NotReadyError({ address, status, details: message })
      ),
      Effect.flatMap((report) =>
        report.status === "LEASE_READY" ? Effect.succeed(report) : Effect.delay(awaitReady, "100 millis")
      )
    )

    return {
      address,
      uuid: report.uuid,
      labels: report.labels,
      motd: report.motd,
      root,
      driver: root.child,
      status: statusGate.status,
      awaitReady,
      logs: logs.events,
      logStream: logs.forward
    }
  })

/**
 * Connects to an endpoint.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEndpoint = (
  endpoint: Endpoint.Endpoint,
  options: GrpcChannel.ChannelOptions = {}
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  GrpcChannel.fromEndpoint(endpoint, options).pipe(
    Effect.mapError((error) =>
      error.origin === "client"
        ? new ConnectError({ address: error.target, reason: "Address", details: error.details, cause: error })
        : refusal(error.target, error)
    ),
    Effect.flatMap((channel) => fromChannel(channel, options))
  )

/**
 * A connection to an endpoint.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  endpoint: Endpoint.Endpoint,
  options?: GrpcChannel.ChannelOptions
): Layer.Layer<ExporterConnection, ConnectError> => Layer.scoped(ExporterConnection, fromEndpoint(endpoint, options))

/**
 * A connection through the `GrpcChannel` of the environment, which tests replace.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerChannel = (
  options?: ConnectOptions
): Layer.Layer<ExporterConnection, ConnectError, GrpcChannel.GrpcChannel> =>
  Layer.scoped(ExporterConnection, Effect.flatMap(GrpcChannel.GrpcChannel, (channel) => fromChannel(channel, options)))

const insecure = (name: string) => Config.map(Config.withDefault(Config.string(name), ""), (value) => value === "1")

/**
 * The environment `jmp shell` gives its child (`protocol.md` 10.5 and 10.6).
 *
 * @since 0.1.0
 * @category models
 */
export const environment = Config.all({
  host: Config.nonEmptyString("JUMPSTARTER_HOST"),
  insecure: Config.zipWith(
    insecure("JMP_GRPC_INSECURE"),
    insecure("JUMPSTARTER_GRPC_INSECURE"),
    (a, b) => a || b
  ),
  passphrase: Config.option(Config.redacted("JMP_GRPC_PASSPHRASE"))
})

/**
 * Options of a connection from the environment. `trust` is what a TLS exporter is checked against, which no variable
 * of `jmp shell` can say.
 *
 * @since 0.1.0
 * @category models
 */
export interface EnvironmentOptions extends Omit<GrpcChannel.ChannelOptions, "passphrase"> {
  readonly trust?: Endpoint.Trust | undefined
}

/**
 * A connection as `jmp shell` describes it to its child in `JUMPSTARTER_HOST`, `JMP_GRPC_INSECURE` and
 * `JMP_GRPC_PASSPHRASE`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEnv = (
  options: EnvironmentOptions = {}
): Layer.Layer<ExporterConnection, ConnectError | ConfigError.ConfigError> =>
  Layer.scoped(
    ExporterConnection,
    Effect.gen(function*() {
      const { host, insecure, passphrase } = yield* environment
      const endpoint = yield* Either.mapLeft(
        Endpoint.parse(host, { security: insecure ? "insecure" : options.trust }),
        (error) => new ConnectError({ address: error.address, reason: "Address", details: error.reason, cause: error })
      )
      return yield* fromEndpoint(endpoint, { ...options, passphrase: Option.getOrUndefined(passphrase) })
    })
  )
