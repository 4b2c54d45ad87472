// An open resource: the client's handle, the form in which a call takes it, and the driver's side of it.
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type { DriverFailure } from "../protocol/DriverFailure.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"

/**
 * How far a transfer has come. `bytes` counts the bytes that were received, or that were given to the transport. A source
 * may be ahead of the wire by the transport's buffers. `total` is the size of the source, if known.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransferProgress {
  readonly bytes: number
  readonly total: Option.Option<number>
  readonly done: boolean
}

/**
 * A resource that is open for a driver. Pass it as an argument to a call of the same driver; the call succeeds only if the
 * transfer does. It can be used once.
 *
 * @since 0.1.0
 * @category models
 */
export class ResourceHandle<out A, out E> {
  constructor(
    /** What is sent in its place as an argument. */
    readonly handle: JsonValue,
    /** Progress, sampled at an interval (100 ms unless given); ends with the transfer. */
    readonly progress: (options?: {
      readonly interval?: Duration.DurationInput | undefined
    }) => Stream.Stream<TransferProgress>,
    /** The outcome of the transfer: the sink's result, or nothing for a source. */
    readonly result: Effect.Effect<A, E | DriverCallError>,
    /**
     * What an answered call still has to wait for.
     *
     * @internal
     */
    readonly settle: Effect.Effect<void, E | DriverCallError>
  ) {}
}

/**
 * What can be an argument of a driver call.
 *
 * @since 0.1.0
 * @category models
 */
export type Argument = JsonValue | ResourceHandle<unknown, unknown>

/**
 * A resource that is not open, or an effect that has not run. Neither can be an argument, and both are easily mistaken for
 * one.
 *
 * @since 0.1.0
 * @category models
 */
export type Unready =
  | { readonly _tag: "Source" | "Sink"; readonly observe: unknown }
  | { readonly [Effect.EffectTypeId]: unknown }

type Passed<Arg> = Arg extends { readonly _tag: "Source" | "Sink"; readonly observe: unknown }
  ? "open it first: pass the handle that `yield* client.resource(...)` gives"
  : Arg extends { readonly [Effect.EffectTypeId]: unknown } ? "run it first: pass the result of `yield*`"
  : Arg

/**
 * The arguments of a call by name. The type of an argument that is not ready is a piece of advice.
 *
 * @since 0.1.0
 * @category models
 */
export type Arguments<Args extends ReadonlyArray<unknown>> = { readonly [Index in keyof Args]: Passed<Args[Index]> }

/**
 * The errors of the transfers among some arguments.
 *
 * @since 0.1.0
 * @category models
 */
export type TransferError<Args extends ReadonlyArray<unknown>> = Args[number] extends infer Arg
  ? Arg extends ResourceHandle<infer _A, infer E> ? E : never
  : never

/**
 * A client's resource while a driver uses it (`protocol.md` 6): a stream of the client, whose bytes are decoded and encoded
 * as the client requested, or a request that the client has presigned. A request has one side only, and can be used once.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverResource {
  /** The client's bytes. Fails when they were cut off before their end, or cannot be decoded. */
  readonly read: Stream.Stream<Uint8Array, DriverFailure>
  /** Sends all bytes to the client; for a request, waits until the server has confirmed them. */
  readonly write: (bytes: Stream.Stream<Uint8Array, DriverFailure>) => Effect.Effect<void, DriverFailure>
}
