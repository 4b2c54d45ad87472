// What a program lends: its drivers and hooks, with the services that they use. ExporterRegistration re-exports the types.
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ControllerError } from "../controller/Controller.ts"
import type { ExporterConfig } from "../controller/ExporterConfig.ts"
import * as Driver from "../host/Driver.ts"
import * as Exporter from "../host/Exporter.ts"
import type { ServerOptions } from "../transport/listen.ts"
import type { Hook, OfHook } from "./hook.ts"
import { Identity } from "./identity.ts"
import * as registering from "./registering.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Hooks<out R = never> {
  readonly beforeLease?: Hook<R> | undefined
  readonly afterLease?: Hook<R> | undefined
}

/**
 * What an exporter lends, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface RegistrationOptions<Child extends Driver.Driver<unknown> = never, E = never, R = never, H = never>
  extends Omit<Exporter.ExporterOptions, "status">
{
  /**
   * The drivers by name, or an effect that makes them. The effect runs anew for each lease, in a scope of its own: the drivers are reset
   * before the hook and all calls, and their resources are released after the last call. It also runs once at the start, for the report
   * to the controller.
   */
  readonly drivers: Readonly<Record<string, Child>> | Effect.Effect<Readonly<Record<string, Child>>, E, R>
  /**
   * Labels to register with. The controller keeps those whose names begin with `jumpstarter.dev/`; the others, by which clients select the
   * exporter, are set by the administrator of the service.
   */
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly hooks?: Hooks<H> | undefined
  /** Limits of what the clients of a lease may do. `maxConnections` counts their tunnels. */
  readonly server?: ServerOptions | undefined
  /**
   * How long a tunnel may wait for the first byte of its client; 1 minute by default. Then the exporter closes its end: a client that
   * dials and leaves would otherwise leave it open until the end of the lease.
   */
  readonly clientTimeout?: Duration.DurationInput | undefined
  /**
   * When this effect ends, the exporter takes no further lease, and `run` ends after the current one. A program can wait here for SIGHUP, as
   * `jmp run` does.
   */
  readonly until?: Effect.Effect<void> | undefined
}

type Seams = Pick<registering.Terms<never>, "observe" | "open">

const hookNames = ["beforeLease", "afterLease"] as const

const warnOfHooks = ({ hooks, source }: ExporterConfig, given: Hooks<unknown>) =>
  Effect.forEach(
    hookNames.filter((name) => hooks[name] !== undefined && given[name] === undefined),
    (name) =>
      Effect.logWarning(
        `${source}: hooks.${name} is not run; pass \`hooks: yield* ExporterRegistration.configuredHooks\`, or hooks of your own`
      ),
    { discard: true }
  )

/** Drivers and hooks that need no more services, but for those that they get anew each time. */
export interface Offer<E> {
  /** Makes the drivers and hosts them. What the drivers acquire belongs to the scope. */
  readonly host: Effect.Effect<Exporter.Exporter, E | Exporter.ResetError, Scope.Scope>
  readonly hooks: Hooks<OfHook>
}

interface Offered<E, R, H> {
  readonly drivers:
    | Readonly<Record<string, Driver.Driver<R>>>
    | Effect.Effect<
      Readonly<Record<string, Driver.Driver<R>>>,
      E,
      R
    >
  readonly hooks?: Hooks<H> | undefined
}

export const make = <E, R, H>(
  { drivers, hooks = {} }: Offered<E, R, H>,
  options: Exporter.ExporterOptions,
  description?: string
): Effect.Effect<Offer<E>, never, R | H> =>
  Effect.map(Effect.context<R | H>(), (context) => {
    const host = Effect.gen(function*() {
      const root = Driver.composite(Effect.isEffect(drivers) ? yield* drivers : drivers)
      return yield* Exporter.make({ ...root, description }, options)
    })
    const withServices = (hook: Hook<H> | undefined): Hook<OfHook> | undefined =>
      hook && {
        ...hook,
        run: Effect.mapInputContext(hook.run, (own: Context.Context<OfHook>) => Context.merge(context, own))
      }
    return {
      host: Effect.mapInputContext(host, (own: Context.Context<Scope.Scope>) => Context.merge(context, own)),
      hooks: { beforeLease: withServices(hooks.beforeLease), afterLease: withServices(hooks.afterLease) }
    }
  })

/** Registers an exporter. */
export function register<Child extends Driver.Driver<unknown> = never, E = never, R = never, H = never>(
  options: RegistrationOptions<Child, E, R, H>,
  seams?: Seams
): Effect.Effect<
  registering.Registration,
  E | Exporter.ResetError | ControllerError,
  Identity | Scope.Scope | Exclude<R, Scope.Scope> | Driver.Services<Child> | Exclude<H, OfHook>
>
export function register<E, R, H>(
  { clientTimeout, drivers, hooks = {}, labels = {}, server = {}, until = Effect.never, ...options }:
    RegistrationOptions<
      Driver.Driver<R>,
      E,
      R,
      H
    >,
  seams: Seams = {}
): Effect.Effect<
  registering.Registration,
  E | Exporter.ResetError | ControllerError,
  Identity | Scope.Scope | R | H
> {
  return Effect.gen(function*() {
    const identity = yield* Identity
    const { config } = identity
    yield* warnOfHooks(config, hooks)
    const offered = yield* make({ drivers, hooks }, {
      motd: config.motd,
      ...options,
      labels: { [registering.nameLabel]: config.name, ...labels },
      status: "AVAILABLE"
    }, config.description)
    return yield* registering.register({
      ...seams,
      ...offered,
      identity,
      localLogs: options.localLogs ?? true,
      labels,
      server: { ...server, clientTimeout },
      until
    })
  })
}
