/**
 * A live connection to an exporter: its drivers, its status and its log. Programs provide it as a layer.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Endpoint from "../grpc/Endpoint.ts"
import * as callers from "../protocol/callerFrame.ts"
import type * as DriverTree from "../protocol/DriverTree.ts"
import * as GrpcChannel from "../transport/GrpcChannel.ts"
import * as clockWarning from "../util/clockWarning.ts"
import { type Called, connect, through } from "./connecting.ts"
import {
  ConnectError,
  type Connection,
  type ConnectOptions,
  type ExporterMetadata,
  type StatusPolling
} from "./connection.ts"
import type * as DriverClient from "./DriverClient.ts"
import { environment, isInShell } from "./environment.ts"
import type * as session from "./session.ts"

export { ConnectError, type Connection, type ConnectOptions, type ExporterMetadata, type StatusPolling }

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
 * Returns the client of the driver at a path, such as `storage.mux`.
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
): Effect.Effect<DriverClient.DriverClient, DriverTree.DriverNotFound, ExporterConnection> => {
  const caller = callers.of()
  return Effect.flatMap(ExporterConnection, (connection) => callers.on(caller, () => connection.driver(path)))
}

/**
 * Connects through a channel, and requests the driver tree and the status. Logs a warning when the channel has a real
 * connection and the program runs on a `TestClock`: sleeps and time limits end only when a test adjusts that clock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromChannel = (
  channel: GrpcChannel.Channel,
  options: ConnectOptions = {}
): Effect.Effect<Connection, ConnectError, Scope.Scope> => through(channel, options, { caller: callers.of() })

/**
 * Options of a connection to an endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export interface EndpointOptions extends ConnectOptions, GrpcChannel.ChannelOptions {}

const connectTo = (
  endpoint: Endpoint.Endpoint,
  options: EndpointOptions & Pick<session.Options, "metadata">,
  called: Called
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  Effect.suspend(() => {
    const address = Endpoint.format(endpoint)
    return Effect.zipRight(
      clockWarning.warn(address),
      Effect.map(
        connect(GrpcChannel.fromEndpoint(endpoint, options), address, {
          ...options,
          leased: options.leased ?? endpoint._tag === "Unix"
        }, called),
        ({ connection }) => connection
      )
    )
  })

/**
 * Connects to an endpoint. Logs a warning when the program runs on a `TestClock`: sleeps and time limits end only when a
 * test adjusts that clock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEndpoint = (
  endpoint: Endpoint.Endpoint,
  options: EndpointOptions = {}
): Effect.Effect<Connection, ConnectError, Scope.Scope> => connectTo(endpoint, options, { caller: callers.of() })

/**
 * A connection to an endpoint.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  endpoint: Endpoint.Endpoint,
  options: EndpointOptions = {}
): Layer.Layer<ExporterConnection, ConnectError> =>
  Layer.scoped(ExporterConnection, connectTo(endpoint, options, { caller: callers.of() }))

/**
 * A connection to an endpoint named by the program's configuration, with options from there. Pass a constant option as
 * `Config.succeed`. To use the variables of `jmp shell` instead, see `layerEnv`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
 * import { Config, Duration } from "effect"
 *
 * const Bench = ExporterConnection.layerConfig(Endpoint.config("BENCH_ADDRESS"), {
 *   passphrase: Config.redacted("BENCH_PASSPHRASE"),
 *   readyTimeout: Config.duration("BENCH_READY_TIMEOUT").pipe(Config.withDefault(Duration.minutes(10)))
 * })
 * ```
 */
export const layerConfig = (
  endpoint: Config.Config<Endpoint.Endpoint>,
  options: Config.Config.Wrap<EndpointOptions> = {}
): Layer.Layer<ExporterConnection, ConnectError | ConfigError.ConfigError> => {
  const called = { caller: callers.of() }
  return Layer.scoped(
    ExporterConnection,
    Effect.flatMap(
      // `Config.unwrap` throws on an object without properties.
      Config.all([endpoint, Object.keys(options).length === 0 ? Config.succeed({}) : Config.unwrap(options)]),
      ([endpoint, options]) => connectTo(endpoint, options, called)
    )
  )
}

/**
 * A connection through the `GrpcChannel` of the environment, which tests replace.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerChannel = (
  options: ConnectOptions = {}
): Layer.Layer<ExporterConnection, ConnectError, GrpcChannel.GrpcChannel> => {
  const called = { caller: callers.of() }
  return Layer.scoped(
    ExporterConnection,
    Effect.flatMap(GrpcChannel.GrpcChannel, (channel) => through(channel, options, called))
  )
}

export { environment }

/**
 * Options of a connection from the environment: `trust`, which the certificate of a TLS exporter is checked against, and
 * `certificate`, which identifies the client. `jmp shell` has no variables for these two.
 *
 * @since 0.1.0
 * @category models
 */
export interface EnvironmentOptions extends Omit<EndpointOptions, "passphrase"> {
  readonly trust?: Endpoint.Trust | undefined
  readonly certificate?: Endpoint.ClientCertificate | undefined
}

const fromShell = (
  options: EnvironmentOptions,
  called: Called
): Layer.Layer<ExporterConnection, ConnectError | ConfigError.ConfigError> =>
  Layer.scoped(
    ExporterConnection,
    Effect.gen(function*() {
      const { host, insecure, metadata, passphrase } = yield* environment
      const endpoint = yield* Either.mapLeft(
        Endpoint.parse(host, { security: insecure ? "insecure" : options.trust }),
        (error) =>
          callers.blame(
            new ConnectError({ address: error.address, reason: "Address", details: error.reason, cause: error }),
            called
          )
      )
      return yield* connectTo(
        endpoint._tag === "Tls" ? Endpoint.tls(endpoint.host, endpoint.port, endpoint.trust, options) : endpoint,
        { ...options, passphrase: Option.getOrUndefined(passphrase), metadata: Option.getOrUndefined(metadata) },
        called
      )
    })
  )

/**
 * A connection from the variables that `jmp shell` sets for its child: `JUMPSTARTER_HOST`, `JMP_GRPC_INSECURE` and
 * `JMP_GRPC_PASSPHRASE`. Its variables about the lease become the connection's `metadata`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEnv = (
  options: EnvironmentOptions = {}
): Layer.Layer<ExporterConnection, ConnectError | ConfigError.ConfigError> =>
  fromShell(options, { caller: callers.of() })

/**
 * A connection from the variables of `jmp shell` if there are any, else the fallback, such as a lease: the same program runs in a shell
 * and without one. The fallback is built only when `JUMPSTARTER_HOST` is not set or empty; an address that cannot be used fails.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Controller, ExporterConnection, Lease } from "@effect-jumpstarter/core"
 * import { FetchHttpClient } from "@effect/platform"
 * import { NodeContext } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const Lab = Controller.layerFile().pipe(Layer.provide([NodeContext.layer, FetchHttpClient.layer]))
 *
 * const Bench = Lease.layer({ selector: "board=rpi4", duration: "30 minutes" }).pipe(Layer.provide(Lab))
 *
 * const Anywhere = ExporterConnection.layerEnvOr(Bench)
 * ```
 */
export const layerEnvOr = <E, R>(
  fallback: Layer.Layer<ExporterConnection, E, R>,
  options: EnvironmentOptions = {}
): Layer.Layer<ExporterConnection, E | ConnectError | ConfigError.ConfigError, R> => {
  const called = { caller: callers.of() }
  return Layer.unwrapEffect(
    Effect.map(
      isInShell,
      (isInShell): Layer.Layer<ExporterConnection, E | ConnectError | ConfigError.ConfigError, R> =>
        isInShell ? fromShell(options, called) : fallback
    )
  )
}
