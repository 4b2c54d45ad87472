/**
 * The client side of a Jumpstarter service: the exporters of a lab and their leases.
 *
 * @since 0.1.0
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Path from "@effect/platform/Path"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as GrpcChannel from "../transport/GrpcChannel.ts"
import * as clockWarning from "../util/clockWarning.ts"
import * as ClientConfig from "./ClientConfig.ts"
import * as controllerClient from "./controllerClient.ts"
import { ControllerError, ControllerReason, isTransient } from "./controllerError.ts"
import type { ControllerClient, ExporterQuery, LeaseQuery, NewLease, RouterAddress } from "./controllerRequests.ts"
import type { ExporterInfo, LeaseCondition, LeaseInfo } from "./records.ts"
import * as serviceChannel from "./serviceChannel.ts"
import * as tokenSource from "./tokenSource.ts"

export {
  type ControllerClient,
  ControllerError,
  ControllerReason,
  type ExporterInfo,
  type ExporterQuery,
  isTransient,
  type LeaseCondition,
  type LeaseInfo,
  type LeaseQuery,
  type NewLease,
  type RouterAddress
}

/**
 * The controller from which a program leases exporters.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import { Controller } from "@effect-jumpstarter/core"
 * import { FetchHttpClient } from "@effect/platform"
 * import { NodeContext } from "@effect/platform-node"
 * import { Effect, Layer, Stream } from "effect"
 *
 * // In CI the variables, elsewhere the current client of `jmp`.
 * const Lab = Controller.layerFile().pipe(Layer.provide([NodeContext.layer, FetchHttpClient.layer]))
 *
 * const boards = Effect.gen(function*() {
 *   const controller = yield* Controller.Controller
 *   return yield* controller.exporters({ selector: "board=rpi4,!broken" }).pipe(
 *     Stream.filter(({ online }) => online),
 *     Stream.runCollect
 *   )
 * }).pipe(Effect.provide(Lab))
 * ```
 */
export class Controller extends Context.Tag("@effect-jumpstarter/core/Controller")<Controller, ControllerClient>() {}

/**
 * Makes a client over an existing channel, such as a channel to an in-memory stand-in. `HttpClient` refreshes the token at its issuer.
 * `router` opens channels to routers; the default is `GrpcChannel.fromEndpoint` with the channel arguments of the configuration. Logs a
 * warning when the channel has a connection and the program runs on a `TestClock`, as a real controller does not wait for that clock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromChannel = (
  config: ClientConfig.ClientConfig,
  channel: GrpcChannel.Channel,
  options: { readonly router?: ControllerClient["router"] | undefined } = {}
): Effect.Effect<ControllerClient, never, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function*() {
    if (channel.connection !== undefined) yield* clockWarning.warn(channel.target)
    const source = yield* tokenSource.make(config, config.tokenStore, yield* HttpClient.HttpClient)
    return controllerClient.make(config, channel, source, options.router ?? serviceChannel.routers(config))
  })

/**
 * Makes a client of the controller that the configuration names, over nice-grpc, which supports proxies and channel arguments. The first
 * request connects. Fails when certificates cannot be used, or when a server that is trusted on first use does not present its
 * certificate within 30 seconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  config: ClientConfig.ClientConfig
): Effect.Effect<ControllerClient, ControllerError, HttpClient.HttpClient | Scope.Scope> =>
  Effect.flatMap(serviceChannel.connect(config), (channel) => fromChannel(config, channel))

/**
 * Provides the controller of a configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  config: ClientConfig.ClientConfig
): Layer.Layer<Controller, ControllerError, HttpClient.HttpClient> => Layer.scoped(Controller, make(config))

/**
 * Provides the controller of the program's own values, read from Effect's `Config`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Controller } from "@effect-jumpstarter/core"
 * import { Config } from "effect"
 *
 * const Lab = Controller.layerConfig({
 *   namespace: Config.succeed("lab"),
 *   name: Config.string("LAB_CLIENT"),
 *   endpoint: Config.string("LAB_ENDPOINT"),
 *   token: Config.redacted("LAB_TOKEN")
 * })
 * ```
 */
export const layerConfig = (
  config: Config.Config.Wrap<ClientConfig.ClientConfigValues>
): Layer.Layer<
  Controller,
  ControllerError | ClientConfig.ClientConfigError | ConfigError.ConfigError,
  HttpClient.HttpClient
> => Layer.scoped(Controller, Effect.flatMap(Effect.flatMap(Config.unwrap(config), ClientConfig.make), make))

/**
 * Provides the controller of the configuration files and variables of `jmp`. See `ClientConfig.load`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (
  options?: ClientConfig.LoadOptions
): Layer.Layer<
  Controller,
  ControllerError | ClientConfig.ClientConfigError,
  FileSystem.FileSystem | HttpClient.HttpClient | Path.Path
> => Layer.scoped(Controller, Effect.flatMap(ClientConfig.load(options), make))
