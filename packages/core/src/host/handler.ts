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
   * Opens the resource behind a handle among the arguments: a stream of the client, or a request it has presigned. It can
   * be opened once, and is given back with the scope. A stream that is itself an argument of the call and that nobody has
   * opened is given back when the call ends, because its client waits for that.
   */
  readonly resource: (handle: JsonValue | undefined) => Effect.Effect<DriverResource, DriverFailure, Scope.Scope>
}

/**
 * One method of a driver. Arguments are positional and unchecked; missing ones are `undefined`. `R` are the services that it
 * uses, which its exporter is made with.
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

// A call has no scope of its own: making one costs more than all else that a short call does. That of the exporter would
// keep what every call acquires.
export type Scopeless<R> = [Extract<R, Scope.Scope>] extends [never] ? unknown
  : "a call is given no scope: close it in the handler, with Effect.scoped or Stream.unwrapScoped"
