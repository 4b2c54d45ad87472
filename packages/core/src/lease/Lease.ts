/**
 * Leases: a program gets an exporter of a lab to itself, for as long as a scope is open.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Record from "effect/Record"
import type * as Scope from "effect/Scope"
import { ExporterConnection } from "../client/ExporterConnection.ts"
import { Controller } from "../controller/Controller.ts"
import * as routerTunnel from "../controller/routerTunnel.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { LeaseEnding } from "../protocol/LeaseEnded.ts"
import { LeaseEnded } from "../protocol/LeaseEnded.ts"
import * as heldLease from "./heldLease.ts"
import type { AcquireError, HeldLease, PendingLease } from "./heldLease.ts"
import { LeaseError, LeaseReason } from "./leaseError.ts"
import type { AttachOptions, Extension, LeaseRequest, MemberRequest, Target } from "./leaseRequest.ts"
import * as leaseSet from "./leaseSet.ts"
import type { LeaseState, WaitingReason } from "./LeaseState.ts"
import type { Dial } from "./opening.ts"
import * as terms from "./terms.ts"

export {
  type AcquireError,
  type AttachOptions,
  type Extension,
  type HeldLease,
  LeaseEnded,
  type LeaseEnding,
  LeaseError,
  LeaseReason,
  type LeaseRequest,
  type LeaseState,
  type MemberRequest,
  type PendingLease,
  type Target,
  type WaitingReason
}

/**
 * The lease that a program runs with.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import { ExporterConnection, Lease } from "@effect-jumpstarter/core"
 * import { Effect } from "effect"
 *
 * const Bench = Lease.layer({
 *   selector: "board=rpi4,!broken",
 *   duration: "30 minutes",
 *   extend: { by: "30 minutes", whenLeft: "5 minutes", upTo: "4 hours" }
 * })
 *
 * const program = Effect.gen(function*() {
 *   const lease = yield* Lease.Lease
 *   yield* Effect.log("leased", lease.exporter.name)
 *   const power = yield* ExporterConnection.driver("power")
 *   yield* power.call("on")
 * }).pipe(Effect.provide(Bench)) // needs a Controller
 * ```
 */
export class Lease extends Context.Tag("@effect-jumpstarter/core/Lease")<Lease, HeldLease>() {}

const dial: Dial = (controller, lease) => routerTunnel.channel({ controller, lease })

/** The stack of what fails begins where the program asked for the lease. */
const blaming = (caller: callers.Caller | undefined) =>
  Effect.mapError((error: AcquireError) => callers.blame(error, { caller }))

/**
 * Requests a lease, and returns at once, so that its states can be watched while it waits. The lease is released when the scope closes,
 * even when its request is interrupted or its answer is lost.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Lease } from "@effect-jumpstarter/core"
 * import { Effect, Stream } from "effect"
 *
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const pending = yield* Lease.request({ selector: "board=rpi4", duration: "30 minutes" })
 *   yield* Effect.forkScoped(Stream.runForEach(pending.changes, (state) => Effect.log(state._tag)))
 *   const lease = yield* pending.acquired
 *   return lease.exporter.name
 * }))
 * ```
 */
export const request = (
  request: LeaseRequest
): Effect.Effect<PendingLease, never, Controller | Scope.Scope> => {
  const caller = callers.of()
  return Effect.flatMap(
    Controller,
    (controller) => heldLease.request(terms.ofRequest(controller, crypto.randomUUID(), request), dial)
  ).pipe(Effect.map((pending) => ({ ...pending, acquired: pending.acquired.pipe(blaming(caller)) })))
}

/**
 * Requests a lease, waits for an exporter, and connects to it. When the scope closes, the session is ended, the exporter runs its
 * afterLease hook, and the lease is released. Each call makes a lease of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const acquire = (
  request: LeaseRequest
): Effect.Effect<HeldLease, AcquireError, Controller | Scope.Scope> => {
  const caller = callers.of()
  return Effect.flatMap(
    Controller,
    (controller) => heldLease.acquire(terms.ofRequest(controller, crypto.randomUUID(), request), dial)
  ).pipe(blaming(caller))
}

/**
 * Acquires a lease for each request of a record, all or none. Leases are requested when there is a free exporter for each, and connected
 * when each has one. A program that gets some without the others for 10 seconds releases them, waits a little, and begins anew, so that
 * two programs that want the same exporters do not block each other. The shortest `waitAtMost` bounds the wait. Errors, the log and the
 * names of the leases tell the key of the record. If one fails, all are released.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Lease } from "@effect-jumpstarter/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const { gateway, sensor } = yield* Lease.acquireAll({
 *     gateway: { selector: "kind=gw", duration: "1 hour" },
 *     sensor: { selector: "kind=sensor", duration: "1 hour" }
 *   })
 *   yield* Effect.log("leased", gateway.exporter.name, sensor.exporter.name)
 * }))
 * ```
 */
export const acquireAll = <const K extends string>(
  requests: Readonly<Record<K, MemberRequest>>
): Effect.Effect<Readonly<Record<K, HeldLease>>, AcquireError, Controller | Scope.Scope> => {
  const caller = callers.of()
  return Effect.flatMap(Controller, (controller) => leaseSet.acquire(controller, requests, dial)).pipe(blaming(caller))
}

/**
 * Connects to the exporter of a lease that exists already, such as one that `jmp create lease` has made. The lease is never released,
 * and its session is not ended. A lease of another client fails with `NotYours`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const attach = (
  name: string,
  options: AttachOptions = {}
): Effect.Effect<HeldLease, AcquireError, Controller | Scope.Scope> => {
  const caller = callers.of()
  return Effect.flatMap(
    Controller,
    (controller) => heldLease.acquire(terms.ofName(controller, name, options), dial)
  ).pipe(blaming(caller))
}

const services = (lease: HeldLease): Context.Context<Lease | ExporterConnection> =>
  Context.make(Lease, lease).pipe(Context.add(ExporterConnection, lease.connection))

/**
 * A lease that a program has, and its connection, as a layer. The layer does not release it.
 *
 * @since 0.1.0
 * @category layers
 */
export const toLayer = (lease: HeldLease): Layer.Layer<Lease | ExporterConnection> =>
  Layer.succeedContext(services(lease))

/**
 * A lease, and the connection to its exporter, for as long as the layer lives. Each call of `layer` makes a layer with a lease of its
 * own, and so does each `Effect.provide`: to share one lease, provide one constant once, at the edge of the program or in a
 * `ManagedRuntime`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (request: LeaseRequest): Layer.Layer<Lease | ExporterConnection, AcquireError, Controller> => {
  const caller = callers.of()
  return Layer.scopedContext(Effect.map(callers.on(caller, () => acquire(request)), services))
}

/**
 * A lease of a set, and the devices of its exporter.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeasedDevices {
  readonly request: MemberRequest
  /** Gets the `Lease` and the `ExporterConnection` of this lease. */
  readonly devices: Layer.Layer<never, unknown, unknown>
}

/**
 * The layer of the devices of several leases.
 *
 * @since 0.1.0
 * @category models
 */
export type LayerOfAll<M extends Readonly<Record<string, LeasedDevices>>> = Layer.Layer<
  { [K in keyof M]: Layer.Layer.Success<M[K]["devices"]> }[keyof M],
  AcquireError | { [K in keyof M]: Layer.Layer.Error<M[K]["devices"]> }[keyof M],
  | Controller
  | Exclude<{ [K in keyof M]: Layer.Layer.Context<M[K]["devices"]> }[keyof M], ExporterConnection | Lease>
>

const built = <K extends string>(
  members: Readonly<Record<K, LeasedDevices>>,
  caller: callers.Caller | undefined
) =>
  Effect.gen(function*() {
    const leases = yield* callers.on(caller, () => acquireAll(Record.map(members, ({ request }) => request)))
    // Each is built for itself: a layer that two of them contain would otherwise be that of the first.
    const contexts = yield* Effect.forEach(
      Record.toEntries(members),
      // @effect-diagnostics-next-line anyUnknownInErrorContext:off -- `LayerOfAll` has the types of the layers.
      ([key, { devices }]) => Effect.provide(Layer.build(devices), services(leases[key]))
    )
    return Context.mergeAll(...contexts)
  })

/**
 * The devices of several exporters, all or none, for as long as the layer lives: see `acquireAll`. The devices of a lease are connected
 * to its exporter, so two boards of one kind need two tags.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Device, DriverInterface, DriverMethod, Lease } from "@effect-jumpstarter/core"
 *
 * const Power = DriverInterface.make("jumpstarter_driver_power.client.PowerClient", { on: DriverMethod.call() })
 *
 * class GatewayPower extends Device.Tag("acme/GatewayPower", Power)<GatewayPower>() {}
 * class SensorPower extends Device.Tag("acme/SensorPower", Power)<SensorPower>() {}
 *
 * const Both = Lease.layerAll({
 *   gateway: { request: { selector: "kind=gw", duration: "1 hour" }, devices: GatewayPower.layer("power") },
 *   sensor: { request: { selector: "kind=sensor", duration: "1 hour" }, devices: SensorPower.layer("power") }
 * })
 * ```
 */
export const layerAll = <const M extends Readonly<Record<string, LeasedDevices>>>(
  members: M
): LayerOfAll<M> => {
  const caller = callers.of()
  // TypeScript cannot tell that a loop over the devices builds all of them.
  // @effect-diagnostics-next-line anyUnknownInErrorContext:off unsafeEffectTypeAssertion:off
  return Layer.scopedContext(built(members, caller)) as LayerOfAll<M>
}
