// The identity of an exporter. ExporterRegistration re-exports it.
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ControllerError } from "../controller/Controller.ts"
import type { ControllerClient } from "../controller/controllerRequests.ts"
import * as ExporterConfig from "../controller/ExporterConfig.ts"
import * as serviceChannel from "../controller/serviceChannel.ts"
import type * as GrpcChannel from "../transport/GrpcChannel.ts"

/**
 * Who an exporter is, and how it reaches its service.
 *
 * @since 0.1.0
 * @category models
 */
export interface IdentityService {
  readonly config: ExporterConfig.ExporterConfig
  readonly controller: GrpcChannel.Channel
  /** Opens a channel to a router that the controller names. */
  readonly router: ControllerClient["router"]
}

const connected = (
  config: ExporterConfig.ExporterConfig
): Effect.Effect<IdentityService, ControllerError, Scope.Scope> =>
  Effect.map(serviceChannel.connect(config), (controller) => ({
    config,
    controller,
    router: serviceChannel.routers(config)
  }))

/**
 * The identity with which an exporter registers. In a test, `ControllerTest.identityOf` makes one.
 *
 * @since 0.1.0
 * @category tags
 */
export class Identity extends Context.Tag("@effect-jumpstarter/core/ExporterRegistration/Identity")<
  Identity,
  IdentityService
>() {
  /** Provides the identity of a configuration. */
  static readonly layer = (config: ExporterConfig.ExporterConfig): Layer.Layer<Identity, ControllerError> =>
    Layer.scoped(Identity, connected(config))

  /** Provides the identity of the program's own values, read from Effect's `Config`. */
  static readonly layerConfig = (
    config: Config.Config.Wrap<ExporterConfig.ExporterConfigValues>
  ): Layer.Layer<Identity, ControllerError | ExporterConfig.ExporterConfigError | ConfigError.ConfigError> =>
    Layer.scoped(Identity, Effect.flatMap(Effect.flatMap(Config.unwrap(config), ExporterConfig.make), connected))

  /** Provides the identity of a configuration file: the alias of an exporter of `jmp`, or a path. See `ExporterConfig.load`. */
  static readonly layerFile = (
    file: string | ExporterConfig.LoadOptions
  ): Layer.Layer<
    Identity,
    ControllerError | ExporterConfig.ExporterConfigError,
    FileSystem.FileSystem | Path.Path
  > =>
    Layer.scoped(
      Identity,
      Effect.flatMap(ExporterConfig.load(typeof file === "string" ? { alias: file } : file), connected)
    )
}
