/**
 * Faults of a connection, planned by a test: lost, delayed or refused calls, and truncated, stalled or corrupted
 * streams. A program sees exactly the errors of real transports.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { GrpcCode } from "../grpc/GrpcStatus.ts"
import * as GrpcChannel from "../transport/GrpcChannel.ts"
import type * as exporterCall from "./exporterCall.ts"
import * as fault from "./faults/fault.ts"
import { FaultyConnection } from "./faults/faultyCall.ts"
import * as faultyTransport from "./faults/faultyTransport.ts"

/**
 * The kind of an RPC: a driver's `call`, `streamingCall`, `stream` or `resource`, or a `report`, `status`, `endSession`
 * or `log` RPC of the exporter.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = exporterCall.Kind

/**
 * Selects the RPCs that a fault applies to: those that match all given fields. `driver` is a path such as `storage.mux`
 * in the exporter's driver tree. Streams of resources have no method. `occurrence` selects the nth matching RPC,
 * counted from 1 after the fault is planned.
 *
 * @since 0.1.0
 * @category models
 */
export interface Match {
  readonly kind?: Kind | undefined
  readonly driver?: string | undefined
  readonly method?: string | undefined
  readonly occurrence?: number | undefined
}

/**
 * The moment in the life of an RPC at which a fault happens.
 *
 * - `"before"`: before anything reaches the exporter
 * - `"after"`: when the exporter is done, before the result or the end of the stream arrives
 * - `messages`: after this number of items, results or frames has passed in either direction; 0 means as soon as the
 *   request is sent
 * - `bytes`: after this number of bytes has passed in either direction. A byte stream passes exactly this number
 * - `time`: this long after the RPC began, on Effect's clock
 *
 * @since 0.1.0
 * @category models
 */
export type Moment =
  | "before"
  | "after"
  | { readonly messages: number }
  | { readonly bytes: number }
  | { readonly time: Duration.DurationInput }

/**
 * A fault of an RPC, made by `drop`, `truncate`, `stall`, `delay`, `corrupt`, `malform` or `fail`.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = fault.Fault

/**
 * Loses the connection, as if a cable was pulled or the exporter's process died. Every RPC in progress fails with
 * `UNAVAILABLE` of origin `transport`, which clients of drivers report as `ConnectionLost`. Later RPCs fail in the same
 * way until `Control.restore`, or for the duration `downFor`. A driver in the middle of a call is interrupted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const drop = (
  at: Moment,
  options: { readonly downFor?: Duration.DurationInput | undefined } = {}
): Fault => fault.Fault.Drop({ at, downFor: Duration.decode(options.downFor ?? Duration.infinity) })

/**
 * Ends a stream too early, without a failure; a byte stream ends without a GOAWAY. The protocol cannot tell this end
 * from a complete stream (`protocol.md` 6.3), so only a hash or a length reveals the loss. The driver reads the same
 * early end, and its further output is lost.
 *
 * @since 0.1.0
 * @category constructors
 */
export const truncate = (at: Moment): Fault => fault.Fault.Truncate({ at })

/**
 * Stops a stream or call: from this moment on nothing passes in either direction, and no end arrives.
 *
 * @since 0.1.0
 * @category constructors
 */
export const stall = (at: Moment): Fault => fault.Fault.Pause({ at, duration: Duration.infinity })

/**
 * Lets nothing pass for a duration of Effect's clock; by default before the request reaches the exporter.
 *
 * @since 0.1.0
 * @category constructors
 */
export const delay = (duration: Duration.DurationInput, at: Moment = "before"): Fault =>
  fault.Fault.Pause({ at, duration: Duration.decode(duration) })

/**
 * Flips every bit of the next bytes of a byte stream or a resource, up to the end of their frame.
 *
 * @since 0.1.0
 * @category constructors
 */
export const corrupt = (at: Exclude<Moment, "after">): Fault => fault.Fault.Corrupt({ at, what: "bytes" })

/**
 * Replaces the next message with bytes that do not decode: the request at `"before"`, otherwise a result or a frame.
 *
 * @since 0.1.0
 * @category constructors
 */
export const malform = (at: Exclude<Moment, "after">): Fault => fault.Fault.Corrupt({ at, what: "message" })

/**
 * Ends the RPC with a failure from the exporter; by default before the driver receives the RPC.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fail = (code: Exclude<GrpcCode, "OK">, details: string, at: Moment = "before"): Fault =>
  fault.Fault.Fail({ at, code, details })

/**
 * A fault that waits for its RPC.
 *
 * @since 0.1.0
 * @category models
 */
export interface Planned {
  /** Waits until the fault has happened; for a repeated fault, until it has happened once. */
  readonly happened: Effect.Effect<void>
}

/**
 * Controls the faults of a connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  /** Plans a fault for the next matching RPC. Several faults can be planned for the same RPC. */
  readonly next: (match: Match, fault: Fault) => Effect.Effect<Planned>
  /** Plans a fault for every matching RPC, starting with the given occurrence. */
  readonly always: (match: Match, fault: Fault) => Effect.Effect<Planned>
  /** The faults planned by `next` that have not happened. */
  readonly pending: Effect.Effect<ReadonlyArray<Match>>
  /** Removes all planned faults. RPCs in progress keep their faults. */
  readonly clear: Effect.Effect<void>
  /** Loses the connection now, see `drop`. A program that connects afterwards finds an exporter that refuses connections. */
  readonly dropConnection: Effect.Effect<void>
  /** Restores the connection. */
  readonly restore: Effect.Effect<void>
}

/**
 * Controls the faults of the channel that `layer` provides.
 *
 * @since 0.1.0
 * @category tags
 */
export class Faults extends Context.Tag("@effect-jumpstarter/core/testing/Faults")<Faults, Control>() {}

/**
 * Wraps a channel so that a test can inject faults. When the scope closes after a success and a fault planned by `next`
 * has not happened, the scope dies, because the test did not test what it meant to test.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  channel: GrpcChannel.Channel
): Effect.Effect<
  { readonly channel: GrpcChannel.Channel; readonly control: Control },
  never,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const connection = new FaultyConnection(channel.target)
    const plan = new fault.Plan()
    yield* Effect.addFinalizer((exit) =>
      Effect.suspend(() => {
        const pending = plan.pending()
        return Exit.isFailure(exit) || pending.length === 0
          ? Effect.void
          : Effect.dieMessage(
            `planned faults did not happen: ${pending.map((match) => JSON.stringify(match)).join()}`
          )
      })
    )
    const add = (match: Match, happening: Fault, repeat: boolean) =>
      Effect.sync((): Planned => ({
        happened: Deferred.await(plan.add(new fault.Planned(match, happening, repeat)).happened)
      }))
    const control: Control = {
      next: (match, happening) => add(match, happening, false),
      always: (match, happening) => add(match, happening, true),
      pending: Effect.sync(() => plan.pending()),
      clear: Effect.sync(() => plan.clear()),
      dropConnection: connection.drop(Duration.infinity),
      restore: connection.restore
    }
    return { channel: GrpcChannel.make(faultyTransport.make(channel, connection, plan)), control }
  })

/**
 * Injects faults between a program and the exporter behind any channel, including a real one. For an exporter in
 * memory, use `FaultyExporter`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Endpoint, ExporterConnection, GrpcChannel } from "@effect-jumpstarter/core"
 * import { Faults } from "@effect-jumpstarter/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const test = Effect.gen(function*() {
 *   const faults = yield* Faults.Faults
 *   const power = yield* ExporterConnection.driver("power")
 *   // The relay switches, and the result of the call is lost.
 *   yield* faults.next({ driver: "power", method: "on" }, Faults.drop("after"))
 *   return yield* Effect.flip(power.call("on")) // ConnectionLost
 * })
 *
 * const faulty = Layer.provide(Faults.layer, GrpcChannel.layer(Endpoint.unix("/run/jumpstarter.sock")))
 *
 * test.pipe(Effect.provide(Layer.provideMerge(ExporterConnection.layerChannel(), faulty)))
 * ```
 */
export const layer: Layer.Layer<Faults | GrpcChannel.GrpcChannel, never, GrpcChannel.GrpcChannel> = Layer
  .scopedContext(
    Effect.map(
      Effect.flatMap(GrpcChannel.GrpcChannel, make),
      ({ channel, control }) => Context.make(Faults, control).pipe(Context.add(GrpcChannel.GrpcChannel, channel))
    )
  )
