// A resource that is open: the client's handle of it, what a call takes it as, and what a driver has of it.
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type { DriverFailure } from "../protocol/DriverFailure.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"

/**
 * How far a transfer has come. `bytes` counts what was received, or given to the transport, whose buffers a source may be
 * ahead of the wire by; `total` is the size of the source if known.
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
 * A resource that is open for a driver. Pass it to a call of the same driver as an argument; that call succeeds only
 * when the transfer did. It can be used once.
 *
 * @since 0.1.0
 * @category models
 */
export class ResourceHandle<out A, out E> {
  constructor(
    /** What travels in its place as an argument. */
    readonly handle: JsonValue,
    /** Progress, sampled at an interval (100 ms unless given); ends with the transfer. */
    readonly progress: (options?: {
      readonly interval?: Duration.DurationInput | undefined
    }) => Stream.Stream<TransferProgress>,
    /** The outcome of the transfer: what a sink made of the bytes, nothing for a source. */
    readonly result: Effect.Effect<A, E | DriverCallError>,
    /**
     * What a call that has been answered still has to wait for.
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
 * A resource that is not open, or an effect that has not run: what cannot be an argument, and is easily taken for one.
 *
 * @since 0.1.0
 * @category models
 */
export type Unready =
  | { readonly _tag: "Source" | "Sink"; readonly observe: unknown }
  | { readonly [Effect.EffectTypeId]: unknown }

type Passed<Arg> = Arg extends { readonly _tag: "Source" | "Sink"; readonly observe: unknown }
  ? "open it first: pass the handle that `yield* client.resource(...)` gives"
  : Arg extends { readonly [Effect.EffectTypeId]: unknown } ? "run it first: pass what `yield*` makes of it"
  : Arg

/**
 * The arguments of a call by name, with advice as the type of those that are not ready.
 *
 * @since 0.1.0
 * @category models
 */
export type Arguments<Args extends ReadonlyArray<unknown>> = { readonly [Index in keyof Args]: Passed<Args[Index]> }

/**
 * What the transfers among some arguments can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type TransferError<Args extends ReadonlyArray<unknown>> = Args[number] extends infer Arg
  ? Arg extends ResourceHandle<infer _A, infer E> ? E : never
  : never

/**
 * A client's resource while a driver uses it (`protocol.md` 6): a stream of the client, whose bytes are decoded and
 * encoded as the client asked, or a request that the client has presigned. Of a request there is one side only, and it
 * can be used once.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverResource {
  /** The client's bytes. Fails when they were cut off before their end, or when they do not decode. */
  readonly read: Stream.Stream<Uint8Array, DriverFailure>
  /** Sends bytes to the client, all of them to the last; for a request, until the server has confirmed them. */
  readonly write: (bytes: Stream.Stream<Uint8Array, DriverFailure>) => Effect.Effect<void, DriverFailure>
}
