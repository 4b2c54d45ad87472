/**
 * Serves drivers at an address, without a Jumpstarter service, and runs hooks as for a lease. Clients reach it directly.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as Endpoint from "../grpc/Endpoint.ts"
import type * as Driver from "../host/Driver.ts"
import * as Exporter from "../host/Exporter.ts"
import type { HookFailed, LeaseHook } from "../protocol/ExporterStatus.ts"
import type * as GrpcServer from "../transport/GrpcServer.ts"
import * as interruptible from "../util/interruptible.ts"
import * as hooks from "./hook.ts"
import * as offer from "./offer.ts"
import * as session from "./session.ts"

/**
 * What an exporter serves, and where.
 *
 * @since 0.1.0
 * @category models
 */
export interface DirectOptions<Child extends Driver.Driver<unknown> = never, E = never, R = never, H = never>
  extends Omit<Exporter.ExporterOptions, "status">, Exporter.ServeOptions
{
  /** The drivers by name, or an effect that makes them, which may be scoped. */
  readonly drivers: Readonly<Record<string, Child>> | Effect.Effect<Readonly<Record<string, Child>>, E, R>
  readonly listen: GrpcServer.Listen
  /** The name that hooks know; `exporter` unless given. */
  readonly name?: string | undefined
  /**
   * Hooks of a session. The first session begins at the start. `EndSession` ends a session, and the next one begins a second later. There is
   * no lease to end, so `endLease` ends the exporter, as `exit` does.
   */
  readonly hooks?: offer.Hooks<H> | undefined
}

/**
 * An exporter that clients reach directly.
 *
 * @since 0.1.0
 * @category models
 */
export interface DirectExporter {
  readonly endpoint: Endpoint.Endpoint
  /** Fails when a hook has failed that ends the exporter. */
  readonly ended: Effect.Effect<never, HookFailed>
}

// As Python names it.
const standalone = { name: "standalone", client: "", context: {} }

// Clients poll, so that a status has to last for a while.
const hold = Duration.seconds(1)

/**
 * Serves drivers until the scope closes, and returns when clients can connect. They see by the status that the hook before the session runs,
 * and when it is `LEASE_READY`. Without hooks it is ready at once. When the scope closes, the hook after the session runs last.
 *
 * @since 0.1.0
 * @category constructors
 */
export function make<Child extends Driver.Driver<unknown> = never, E = never, R = never, H = never>(
  options: DirectOptions<Child, E, R, H>
): Effect.Effect<
  DirectExporter,
  E | Exporter.ResetError | GrpcServer.GrpcServerError,
  Scope.Scope | Exclude<R, Scope.Scope> | Driver.Services<Child> | Exclude<H, hooks.OfHook>
>
export function make<E, R, H>(
  { drivers, hooks: given, listen, name = "exporter", ...options }: DirectOptions<Driver.Driver<R>, E, R, H>
): Effect.Effect<
  DirectExporter,
  E | Exporter.ResetError | GrpcServer.GrpcServerError,
  Scope.Scope | R | H
> {
  return Effect.gen(function*() {
    const offered = yield* offer.make({ drivers, hooks: given }, { ...options, status: "AVAILABLE" })
    const { afterLease, beforeLease } = offered.hooks
    const host = yield* offered.host
    let ended = yield* Deferred.make<void>()
    const handlers = afterLease === undefined && beforeLease === undefined
      ? host.handlers
      : session.withEnd(host.handlers, Effect.suspend(() => Deferred.succeed(ended, undefined)))
    const { localLogs = true, passphrase } = options
    const stage: hooks.Stage = { exporter: name, host, handlers, lease: standalone, localLogs, secret: passphrase }

    /** Runs a hook, and returns a warning for clients. */
    const run = (name: LeaseHook, hook: hooks.Hook<hooks.OfHook> | undefined): Effect.Effect<string, HookFailed> =>
      hook === undefined
        ? Effect.succeed("")
        : Effect.flatMap(hooks.perform(name, hook, stage, host.setStatus), (outcome) =>
          outcome._tag === "Passed"
            ? Effect.succeed(outcome.warning)
            : Effect.zipRight(Effect.sleep(hold), outcome.error))

    let isDue = false
    const after = Effect.suspend(() => {
      if (!isDue) return Effect.succeed("")
      isDue = false
      return run("afterLease", afterLease)
    })

    const turn = Effect.gen(function*() {
      isDue = true
      const warning = yield* Effect.tapError(run("beforeLease", beforeLease), () =>
        Effect.sync(() => {
          isDue = false
        }))
      yield* host.setStatus("LEASE_READY", warning === "" ? "Ready for commands" : warning)
      yield* Deferred.await(ended)
      const farewell = yield* after
      ended = yield* Deferred.make<void>()
      yield* host.setStatus("AVAILABLE", farewell === "" ? "Available for new lease" : farewell)
      yield* Effect.sleep(hold)
    })

    yield* Effect.addFinalizer(() => Effect.ignore(after))
    const endpoint = yield* Exporter.serve({ ...host, handlers }, listen, options)
    const serving = yield* interruptible.forkScoped(Effect.forever(turn))
    return { endpoint, ended: Fiber.join(serving) }
  })
}

/**
 * Serves drivers until it is interrupted. See `make`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { DirectExporter, type Driver, ExporterConnection, type GrpcServer } from "@effect-jumpstarter/core"
 * import { Effect, type Redacted } from "effect"
 *
 * declare const power: Driver.Driver
 * declare const certificate: GrpcServer.ServerCertificate
 * declare const passphrase: Redacted.Redacted
 *
 * const powerOn = Effect.gen(function*() {
 *   const power = yield* ExporterConnection.driver("power")
 *   yield* power.call("on")
 * })
 *
 * const program = DirectExporter.run({
 *   drivers: { power },
 *   listen: { host: "0.0.0.0", port: 8090, certificate },
 *   passphrase,
 *   hooks: { beforeLease: { run: powerOn } }
 * })
 * ```
 */
export const run = <Child extends Driver.Driver<unknown> = never, E = never, R = never, H = never>(
  options: DirectOptions<Child, E, R, H>
): Effect.Effect<
  never,
  E | Exporter.ResetError | GrpcServer.GrpcServerError | HookFailed,
  Exclude<R, Scope.Scope> | Driver.Services<Child> | Exclude<H, hooks.OfHook>
> => Effect.scoped(Effect.flatMap(make(options), ({ ended }) => ended))
