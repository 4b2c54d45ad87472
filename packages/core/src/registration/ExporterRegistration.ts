/**
 * Lends drivers through a Jumpstarter service: the exporter registers with the controller, and clients lease it.
 *
 * @since 0.1.0
 */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ControllerError } from "../controller/Controller.ts"
import type { HookScript } from "../controller/ExporterConfig.ts"
import type * as Driver from "../host/Driver.ts"
import type * as Exporter from "../host/Exporter.ts"
import type { HookFailed } from "../protocol/ExporterStatus.ts"
import { CurrentLease, type Hook, type LentLease, type OfHook } from "./hook.ts"
import * as hookScript from "./hookScript.ts"
import { Identity, type IdentityService } from "./identity.ts"
import * as offer from "./offer.ts"
import type { Hooks, RegistrationOptions } from "./offer.ts"
import type { Registration } from "./registering.ts"

export {
  CurrentLease,
  type Hook,
  type Hooks,
  Identity,
  type IdentityService,
  type LentLease,
  type Registration,
  type RegistrationOptions
}

/**
 * Registers an exporter, which is online when this returns, and lends it until the scope closes. Then it runs the hook after the lease if
 * there is one, reports that it is offline, and unregisters.
 *
 * The exporter outlives its surroundings: while the controller is away it keeps its lease and its clients, and registers again when the
 * controller is back. Drivers that cannot be made for a lease fail that lease. Fails when the drivers cannot be made at the start, and
 * when the controller refuses the exporter.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Child extends Driver.Driver<unknown> = never, E = never, R = never, H = never>(
  options: RegistrationOptions<Child, E, R, H>
): Effect.Effect<
  Registration,
  E | Exporter.ResetError | ControllerError,
  Identity | Scope.Scope | Exclude<R, Scope.Scope> | Driver.Services<Child> | Exclude<H, OfHook>
> => offer.register(options)

/**
 * Lends drivers until it is interrupted. See `make` for what it does, and when it fails. It ends by itself when `until` has ended and the
 * current lease is over, and fails when a hook has failed whose `onFailure` is `exit`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Driver, ExporterConnection, ExporterRegistration } from "@effect-jumpstarter/core"
 * import { NodeContext, NodeRuntime } from "@effect/platform-node"
 * import { Effect } from "effect"
 *
 * declare const openRelay: Effect.Effect<{ readonly set: (closed: boolean) => Effect.Effect<void> }>
 *
 * const makeBoard = Effect.map(openRelay, (relay) => ({
 *   power: Driver.make({
 *     client: "jumpstarter_driver_power.client.PowerClient",
 *     methods: { on: Driver.call(() => relay.set(true)), off: Driver.call(() => relay.set(false)) },
 *     reset: relay.set(false)
 *   })
 * }))
 *
 * const powerCycle = Effect.gen(function*() {
 *   const power = yield* ExporterConnection.driver("power")
 *   yield* power.call("off")
 *   yield* power.call("on")
 * })
 *
 * const program = ExporterRegistration.run({
 *   drivers: makeBoard,
 *   hooks: { beforeLease: { run: powerCycle, timeout: "2 minutes", onFailure: "endLease" } }
 * }).pipe(Effect.provide(ExporterRegistration.Identity.layerFile("bench-3")))
 *
 * NodeRuntime.runMain(Effect.provide(program, NodeContext.layer))
 * ```
 */
export const run = <Child extends Driver.Driver<unknown> = never, E = never, R = never, H = never>(
  options: RegistrationOptions<Child, E, R, H>
): Effect.Effect<
  void,
  E | Exporter.ResetError | ControllerError | HookFailed,
  Identity | Exclude<R, Scope.Scope> | Driver.Services<Child> | Exclude<H, OfHook>
> => Effect.scoped(Effect.flatMap(make(options), ({ ended }) => ended))

/**
 * Makes a hook from a script, which uses the drivers through `j` or another client: `JUMPSTARTER_HOST` is a socket that is made for it. Its
 * lines are in the exporter's log. It does not inherit variables with the exporter's token or passphrase, and ends with everything that it
 * started.
 *
 * @since 0.1.0
 * @category constructors
 */
export const script = (
  script: HookScript
): Hook<CurrentLease | CommandExecutor.CommandExecutor | FileSystem.FileSystem> => hookScript.make(script)

/**
 * The hooks of the configuration file.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { type Driver, ExporterRegistration } from "@effect-jumpstarter/core"
 * import { Effect } from "effect"
 *
 * declare const power: Driver.Driver
 *
 * const program = Effect.flatMap(
 *   ExporterRegistration.configuredHooks,
 *   (hooks) => ExporterRegistration.run({ drivers: { power }, hooks })
 * )
 * ```
 */
export const configuredHooks: Effect.Effect<
  Hooks<CurrentLease | CommandExecutor.CommandExecutor | FileSystem.FileSystem>,
  never,
  Identity
> = Effect.map(Identity, ({ config: { hooks: { afterLease, beforeLease } } }) => {
  const hook = (script: HookScript | undefined) => script === undefined ? undefined : hookScript.make(script)
  return { beforeLease: hook(beforeLease), afterLease: hook(afterLease) }
})
