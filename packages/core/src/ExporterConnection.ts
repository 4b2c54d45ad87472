/**
 * A live connection to an exporter: its drivers, its status and its log. This is the layer a program runs with.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ConnectionState } from "./ConnectionState.ts"
import type * as DriverClient from "./DriverClient.ts"
import type * as DriverTree from "./DriverTree.ts"
import * as Endpoint from "./Endpoint.ts"
import * as ExporterClient from "./ExporterClient.ts"
import type * as ExporterStatus from "./ExporterStatus.ts"
import * as GrpcChannel from "./GrpcChannel.ts"
import type { GrpcStatusError } from "./GrpcStatus.ts"
import * as clockWarning from "./internal/clockWarning.ts"
import * as interruptible from "./internal/interruptible.ts"
import * as monotonicClock from "./internal/monotonicClock.ts"
import * as session from "./internal/session.ts"
import type { LogEvent } from "./LogEntry.ts"
import type * as LogStream from "./LogStream.ts"

/**
 * The exporter could not be connected to.
 *
 * - `Address`: the address, its certificate authority or the passphrase cannot be used
 * - `Unreachable`: nothing answers there
 * - `Timeout`: there was no connection within `connectTimeout`, or no answer within `handshakeTimeout` after that
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
    // What is no address can be anything, also of several lines.
    const address = /^[\x21-\x7e]+$/.test(this.address) ? this.address : JSON.stringify(this.address)
    return `cannot connect to the exporter at ${address} (${this.reason}): ${this.details}`
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
  /** Random for every instance of the exporter: it is another one after a restart. */
  readonly uuid: string
  readonly labels: Readonly<Record<string, string>>
  /** The message of the day; empty when there is none. */
  readonly motd: string
  /** The client of the root driver, through which all others are found. */
  readonly root: DriverClient.DriverClient
  /** The client of the driver at a path, as in `storage.mux`. */
  readonly driver: DriverClient.DriverClient["child"]

  /** Whether the connection stands, as far as is known. */
  readonly state: Effect.Effect<ConnectionState>
  /**
   * The state as of now and its changes, until the connection is closed. While somebody listens the exporter is asked for
   * its status from time to time, so that a loss shows on an idle connection too.
   */
  readonly stateChanges: Stream.Stream<ConnectionState>

  /**
   * The exporter's status, asked for, which takes `statusPolling.deadline` at most. An exporter that predates statuses
   * counts as `LEASE_READY`, without a version (`protocol.md` 9.5).
   */
  readonly status: Effect.Effect<ExporterStatus.StatusReport, GrpcStatusError>
  /**
   * The status as of now and its changes, for any number of consumers. Ends with the connection, and after the first
   * element where the exporter predates statuses. An exporter that is gone is waited for; it fails when one that is there
   * does not answer any more (`statusPolling.deadline`), and when reconnecting was given up.
   */
  readonly statusChanges: Stream.Stream<ExporterStatus.StatusChange, ExporterStatus.StatusNotReached>
  /**
   * Waits until the exporter is in one of these statuses, for `readyTimeout` at most. Fails early when a hook failed or the
   * exporter went offline, unless that is what is awaited. It asks at once, and then every `statusPolling.awaited` by Effect's
   * clock, which a test with a `TestClock` adjusts.
   */
  readonly awaitStatus: (
    ...statuses: readonly [ExporterStatus.ExporterStatus, ...ReadonlyArray<ExporterStatus.ExporterStatus>]
  ) => Effect.Effect<ExporterStatus.StatusReport, ExporterStatus.HookFailed | ExporterStatus.StatusNotReached>
  /** Waits until the exporter is `LEASE_READY`. */
  readonly awaitReady: Effect.Effect<
    ExporterStatus.StatusReport,
    ExporterStatus.HookFailed | ExporterStatus.StatusNotReached
  >
  /**
   * Has the exporter end the session: it runs the afterLease hook, and is `AVAILABLE` after that, which can be awaited.
   * The log goes on until then. Nothing is ended where there is no lease, or the exporter cannot do it (`protocol.md` 9.3);
   * an exporter that is gone counts as one that has ended it. While the connection is re-established it waits, as calls do.
   */
  readonly endSession: Effect.Effect<
    { readonly ended: boolean; readonly message: string },
    ExporterStatus.EndSessionError
  >

  /**
   * The exporter's log, for any number of consumers, see `LogStream.LogStream`. Consumers that outlive the connection get the
   * lines of calls that have ended before it is closed.
   */
  readonly logs: Stream.Stream<LogEvent>
  /**
   * Writes the exporter's log into Effect's logger while the scope is open. A scope that closes right after a call waits for
   * the lines of that call; lines from before have the annotation `backlog`.
   */
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
 * How often an exporter is asked for its status while somebody wants to know.
 *
 * @since 0.1.0
 * @category models
 */
export interface StatusPolling {
  /** The pause while a status is awaited; 100 ms unless given. */
  readonly awaited?: Duration.DurationInput | undefined
  /** The pause otherwise; 300 ms unless given. */
  readonly watched?: Duration.DurationInput | undefined
  /** The pause while the exporter is `LEASE_READY` and nothing is awaited; 5 seconds unless given. */
  readonly idle?: Duration.DurationInput | undefined
  /** How long an answer may take, 5 seconds unless given. After twenty in a row that took longer the connection is given up. */
  readonly deadline?: Duration.DurationInput | undefined
}

/**
 * Options of a connection. Connecting, the first answers, and the waits for a status have their bounds here. Driver calls
 * have none but the caller's, and reconnecting has that of its schedule.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
 * import { Effect, Schedule } from "effect"
 *
 * // After a loss: ever more slowly, for two minutes.
 * const Lab = ExporterConnection.layer(Endpoint.unix("/run/jumpstarter.sock"), {
 *   readyTimeout: "10 minutes",
 *   reconnect: Schedule.exponential("100 millis").pipe(
 *     Schedule.union(Schedule.spaced("5 seconds")),
 *     Schedule.upTo("2 minutes")
 *   )
 * })
 *
 * const program = Effect.gen(function*() {
 *   const connection = yield* ExporterConnection.ExporterConnection
 *   yield* connection.awaitReady
 *   const power = yield* connection.driver("power")
 *   yield* power.call("on") // goes to the exporter that is there now
 * }).pipe(
 *   Effect.catchTag("HookFailed", ({ hook, logs }) => Effect.logError(hook, ...logs.map(({ message }) => message))),
 *   Effect.provide(Lab)
 * )
 * ```
 */
export interface ConnectOptions {
  /**
   * How long the exporter may take for its first answers once there is a connection; 30 seconds unless given. An exporter
   * whose beforeLease hook runs may take as long as the hook.
   */
  readonly handshakeTimeout?: Duration.DurationInput | undefined
  /** How long `awaitReady` and `awaitStatus` wait; 5 minutes unless given. */
  readonly readyTimeout?: Duration.DurationInput | undefined
  /**
   * How long a driver that has answered may pause before the rest of a download is given up; 10 seconds unless given.
   */
  readonly transferIdleTimeout?: Duration.DurationInput | undefined
  readonly statusPolling?: StatusPolling | undefined
  /**
   * When to connect again after a loss; never unless given, then the next call does, once. What was under way at the loss has
   * failed, and is not repeated. Calls made meanwhile wait, until there is a connection or the schedule ends, and drivers
   * are found again by their place in the tree. The schedule's input is why an attempt failed.
   */
  readonly reconnect?: Schedule.Schedule<unknown, ConnectError> | undefined
  /**
   * Whether the exporter is held by a lease, which `endSession` would end. Unless given, this is what the endpoint says:
   * leases are reached through Unix sockets. An exporter reached over TCP or TLS is taken for one that is not leased, and so
   * is one behind a channel: asking it to end a session could leave it unusable for good (`protocol.md` 9.3).
   */
  readonly leased?: boolean | undefined
}

const refusal = (address: string, error: GrpcStatusError | DriverTree.InvalidReport): ConnectError => {
  if (error._tag === "InvalidReport") {
    return new ConnectError({ address, reason: "InvalidReport", details: error.message, cause: error })
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

// What takes part in connecting, with its failure explained. One that came only when the time to connect was up does not
// tell that this was the reason.
const explained = <A, R>(
  address: string,
  connectTimeout: Duration.DurationInput,
  effect: Effect.Effect<A, GrpcStatusError | DriverTree.InvalidReport | ConnectError, R>
): Effect.Effect<A, ConnectError, R> => {
  const connecting = Duration.decode(connectTimeout)
  return Effect.flatMap(
    monotonicClock.currentMillis,
    (began) =>
      Effect.catchAll(effect, (error) =>
        Effect.flatMap(monotonicClock.currentMillis, (now) => {
          const failure = error._tag === "ConnectError" ? error : refusal(address, error)
          return failure.reason === "Unreachable" && Duration.toMillis(connecting) > 0 &&
              Math.ceil(now - began) >= Duration.toMillis(connecting)
            ? new ConnectError({
              address,
              reason: "Timeout",
              details: `no connection within ${Duration.format(connecting)} (connectTimeout)`
            })
            : failure
        }))
  )
}

const connect = (
  channel: typeof GrpcChannel.GrpcChannel.Service,
  options: ConnectOptions,
  connectTimeout: Duration.DurationInput
) => {
  const address = channel.target
  const handshakeTimeout = Duration.decode(options.handshakeTimeout ?? "30 seconds")

  const answers = session.introduce(ExporterClient.make(channel)).pipe(
    interruptible.timeoutFail({
      duration: handshakeTimeout,
      onTimeout: () =>
        new ConnectError({
          address,
          reason: "Timeout",
          details: `no answer within ${Duration.format(handshakeTimeout)} (handshakeTimeout)`
        })
    }),
    // Whoever asks next is not to wait for the same silence.
    Effect.tapErrorTag("ConnectError", ({ details }) => channel.connection?.drop(details) ?? Effect.void)
  )

  const introduction = explained(
    address,
    connectTimeout,
    Effect.zipRight(channel.connection?.open ?? Effect.void, answers)
  )
  return session.make(channel, introduction, options)
}

/**
 * Connects through a channel: asks for the driver tree and the status. Warns in the log when there is a real connection beneath
 * the channel and the program runs on a `TestClock`, on which nothing ends that waits for time to pass.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromChannel = (
  channel: typeof GrpcChannel.GrpcChannel.Service,
  options: ConnectOptions = {}
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  Effect.zipRight(
    channel.connection === undefined ? Effect.void : clockWarning.warn(channel.target),
    connect(channel, options, 0)
  )

/**
 * Options of a connection to an endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export interface EndpointOptions extends ConnectOptions, GrpcChannel.ChannelOptions {}

/**
 * Connects to an endpoint. Warns in the log when the program runs on a `TestClock`, on which nothing ends that waits for time
 * to pass.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEndpoint = (
  endpoint: Endpoint.Endpoint,
  options: EndpointOptions = {}
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  Effect.suspend(() => {
    const connectTimeout = options.connectTimeout ?? "10 seconds"
    const address = Endpoint.format(endpoint)
    return Effect.flatMap(
      Effect.zipRight(
        clockWarning.warn(address),
        explained(address, connectTimeout, GrpcChannel.fromEndpoint(endpoint, options))
      ),
      (channel) => connect(channel, { ...options, leased: options.leased ?? endpoint._tag === "Unix" }, connectTimeout)
    ).pipe(Effect.mapError((error) =>
      error.reason === "Unauthenticated"
        ? new ConnectError({
          ...error,
          cause: error.cause,
          details: options.passphrase === undefined
            ? `${error.details}; no passphrase was given (option \`passphrase\`, or JMP_GRPC_PASSPHRASE)`
            : `${error.details}; the given passphrase is not the exporter's`
        })
        : error
    ))
  })

/**
 * A connection to an endpoint.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  endpoint: Endpoint.Endpoint,
  options?: EndpointOptions
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
  host: Config.mapOrFail(Config.withDefault(Config.string("JUMPSTARTER_HOST"), ""), (host) =>
    host === ""
      ? Either.left(
        ConfigError.MissingData(
          ["JUMPSTARTER_HOST"],
          "set it to the address of an exporter; `jmp shell` sets it for the commands it runs"
        )
      )
      : Either.right(host)),
  insecure: Config.zipWith(
    insecure("JMP_GRPC_INSECURE"),
    insecure("JUMPSTARTER_GRPC_INSECURE"),
    (a, b) => a || b
  ),
  // An empty one is none, as in Python.
  passphrase: Config.map(
    Config.option(Config.redacted("JMP_GRPC_PASSPHRASE")),
    Option.filter((passphrase) => Redacted.value(passphrase) !== "")
  )
})

/**
 * Options of a connection from the environment. `trust` is what a TLS exporter is checked against, and `certificate` what
 * the client proves itself with, which no variable of `jmp shell` can say.
 *
 * @since 0.1.0
 * @category models
 */
export interface EnvironmentOptions extends Omit<EndpointOptions, "passphrase"> {
  readonly trust?: Endpoint.Trust | undefined
  readonly certificate?: Endpoint.ClientCertificate | undefined
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
      return yield* fromEndpoint(
        endpoint._tag === "Tls" ? Endpoint.tls(endpoint.host, endpoint.port, endpoint.trust, options) : endpoint,
        { ...options, passphrase: Option.getOrUndefined(passphrase) }
      )
    })
  )
