// One method of a driver, as an exporter runs it.
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ByteStream } from "../protocol/ByteStream.ts"
import type { DriverFailure } from "../protocol/DriverFailure.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import type { DriverResource } from "../resource/Resource.ts"

/**
 * What a handler gets besides its arguments.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverContext {
  /**
   * Opens the resource behind a handle among the arguments: a client's stream, or a request that the client presigned. It
   * can be opened once, and is released with the scope. A stream that is an argument of the call and was never opened is
   * released when the call ends, because its client waits for that.
   */
  readonly resource: (handle: JsonValue | undefined) => Effect.Effect<DriverResource, DriverFailure, Scope.Scope>
}

/**
 * One method of a driver. Arguments are positional and unchecked; missing ones are `undefined`. `R` are the services that
 * the method uses, which the exporter is made with.
 *
 * @since 0.1.0
 * @category models
 */
export type DriverHandler<R = never> = CallHandler<R> | StreamingCallHandler<R> | StreamHandler<R>

export interface CallHandler<out R> {
  readonly _tag: "Call"
  readonly handle: (
    args: ReadonlyArray<JsonValue>,
    context: DriverContext
  ) => Effect.Effect<JsonValue | void, DriverFailure, R>
}

export interface StreamingCallHandler<out R> {
  readonly _tag: "StreamingCall"
  readonly handle: (
    args: ReadonlyArray<JsonValue>,
    context: DriverContext
  ) => Stream.Stream<JsonValue, DriverFailure, R>
}

export interface StreamHandler<out R> {
  readonly _tag: "Stream"
  readonly open: Effect.Effect<ByteStream<DriverFailure>, DriverFailure, Scope.Scope | R>
}

// A call has no scope of its own: making one costs more than everything else that a short call does. The exporter's scope
// would keep what every call acquires.
export type Scopeless<R> = [Extract<R, Scope.Scope>] extends [never] ? unknown
  : "a call has no scope; provide one in the handler with Effect.scoped or Stream.unwrapScoped"
