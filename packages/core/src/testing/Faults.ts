/**
 * Faults of a connection, planned by a test: calls that are lost, delayed or refused, streams that are cut short,
 * stalled or corrupted. A program meets them with exactly the errors that real transports make.
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
 * What an RPC is for: the kinds of the errors of drivers (`call`, `streamingCall`, `stream`, `resource`), and the RPCs
 * that are about the exporter itself (`report`, `status`, `endSession`, `log`).
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = exporterCall.Kind

/**
 * Which RPCs a fault is for: those that have all that is given. `driver` is a path, as in `storage.mux`, in the tree
 * that the connection was told by the exporter; streams of resources have no method. With `occurrence` it is the nth of
 * them, counted from 1 and from when the fault is planned.
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
 * When in the life of an RPC a fault happens.
 *
 * - `"before"`: before anything reaches the exporter
 * - `"after"`: when the exporter has done its work, and the answer or the end of the stream is all that is missing
 * - `messages`: when so many items, answers or frames have passed, whichever way; with none, as soon as the request is
 *   under way
 * - `bytes`: when so many bytes have passed, whichever way. Of a byte stream exactly so many pass
 * - `time`: so long after the RPC began, by Effect's clock
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
 * Something that can happen to an RPC; made by `drop`, `truncate`, `stall`, `delay`, `corrupt`, `malform` and `fail`.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = fault.Fault

/**
 * The connection is lost, as when a cable is pulled or the exporter's process dies: every RPC that is under way fails
 * with `UNAVAILABLE` of origin `transport`, which drivers' clients report as `ConnectionLost`, and so does every later
 * one until `Control.restore`, or for as long as `downFor` says. A driver in the middle of a call is interrupted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const drop = (
  at: Moment,
  options: { readonly downFor?: Duration.DurationInput | undefined } = {}
): Fault => fault.Fault.Drop({ at, downFor: Duration.decode(options.downFor ?? Duration.infinity) })

/**
 * A stream ends too early and in good order: without a failure and, a byte stream, without a GOAWAY. The protocol has
 * nothing that would tell the program (`protocol.md` 6.3), so that only a hash or a length does. A driver reads the same
 * end, and what it still writes is lost.
 *
 * @since 0.1.0
 * @category constructors
 */
export const truncate = (at: Moment): Fault => fault.Fault.Truncate({ at })

/**
 * Nothing passes any more, neither way, and no end comes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const stall = (at: Moment): Fault => fault.Fault.Pause({ at, duration: Duration.infinity })

/**
 * Nothing passes for a while, by Effect's clock: before the request reaches the exporter unless another moment is given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const delay = (duration: Duration.DurationInput, at: Moment = "before"): Fault =>
  fault.Fault.Pause({ at, duration: Duration.decode(duration) })

/**
 * Every bit of the next bytes of a byte stream or a resource is flipped, up to the end of their frame.
 *
 * @since 0.1.0
 * @category constructors
 */
export const corrupt = (at: Exclude<Moment, "after">): Fault => fault.Fault.Corrupt({ at, what: "bytes" })

/**
 * The next message arrives as bytes that are no message: at `"before"` the request itself, else an answer or a frame.
 *
 * @since 0.1.0
 * @category constructors
 */
export const malform = (at: Exclude<Moment, "after">): Fault => fault.Fault.Corrupt({ at, what: "message" })

/**
 * The exporter ends the RPC with a failure: before the driver hears of it unless another moment is given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fail = (code: Exclude<GrpcCode, "OK">, details: string, at: Moment = "before"): Fault =>
  fault.Fault.Fail({ at, code, details })

/**
 * A fault that awaits its RPC.
 *
 * @since 0.1.0
 * @category models
 */
export interface Planned {
  /** Waits until the fault has happened, the first time if it can happen again. */
  readonly happened: Effect.Effect<void>
}

/**
 * What a test steers the faults of a connection with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  /** Plans a fault for the next RPC that matches. An RPC meets all faults that are planned for it. */
  readonly next: (match: Match, fault: Fault) => Effect.Effect<Planned>
  /** Plans a fault for every RPC that matches, from the given occurrence on. */
  readonly always: (match: Match, fault: Fault) => Effect.Effect<Planned>
  /** What is planned by `next` and has not happened. */
  readonly pending: Effect.Effect<ReadonlyArray<Match>>
  /** Forgets everything planned. RPCs under way keep what they have met. */
  readonly clear: Effect.Effect<void>
  /** Loses the connection now, see `drop`. Before a program connects, this is an exporter that refuses connections. */
  readonly dropConnection: Effect.Effect<void>
  /** Makes the connection possible again. */
  readonly restore: Effect.Effect<void>
}

/**
 * The faults of the channel that `layer` gives.
 *
 * @since 0.1.0
 * @category tags
 */
export class Faults extends Context.Tag("@effect-jumpstarter/core/testing/Faults")<Faults, Control>() {}

/**
 * A channel that faults can befall, on top of any other. A scope that closes after a success dies when a fault that was
 * planned by `next` has not happened: the test did not test what it meant to.
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
 * Puts faults between a program and the exporter behind any channel, a real one included. For an exporter in memory
 * there is `FaultyExporter`.
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
 *   // The relay switches, and its answer is lost.
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
