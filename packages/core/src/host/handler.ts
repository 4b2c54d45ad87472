// One method of a driver, as an exporter runs it.
import type * as Data from "effect/Data"
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
 * One method of a driver. Arguments are positional and unchecked; missing ones are `undefined`.
 *
 * @since 0.1.0
 * @category models
 */
export type DriverHandler = Data.TaggedEnum<{
  readonly Call: {
    readonly handle: (
      args: ReadonlyArray<JsonValue>,
      context: DriverContext
    ) => Effect.Effect<JsonValue | void, DriverFailure>
  }
  readonly StreamingCall: {
    readonly handle: (
      args: ReadonlyArray<JsonValue>,
      context: DriverContext
    ) => Stream.Stream<JsonValue, DriverFailure>
  }
  readonly Stream: {
    readonly open: Effect.Effect<ByteStream<DriverFailure>, DriverFailure, Scope.Scope>
  }
}>
