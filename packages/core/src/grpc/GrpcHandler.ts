/**
 * Served RPCs over encoded messages: the counterpart of `GrpcChannel`. The same handlers run behind a `GrpcServer` and
 * behind an in-memory channel.
 *
 * @since 0.1.0
 */
import type * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Bytes } from "./Bytes.ts"
import type * as GrpcStatus from "./GrpcStatus.ts"
import type * as Metadata from "./Metadata.ts"

/**
 * What the caller sent along with an RPC. Of metadata keys that occur more than once the last counts.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcRequest {
  readonly metadata: Metadata.Metadata
}

/**
 * A bidirectional RPC as its handler sees it. The RPC ends with `OK` when the handler succeeds and with the handler's
 * failure otherwise; when the caller goes away the handler is interrupted.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcServerDuplex extends GrpcRequest {
  /**
   * The caller's messages since the last time, at least one, for one consumer; waits for it. After the last one it fails,
   * with `None` when the caller has half-closed.
   */
  readonly receive: Effect.Effect<Chunk.Chunk<Bytes>, Option.Option<GrpcStatus.GrpcStatusError>>
  /** Sends a message, waiting while the caller does not read. Its bytes must not be changed afterwards. */
  readonly send: (message: Bytes) => Effect.Effect<void, GrpcStatus.GrpcStatusError>
  /**
   * Sends the response headers. Python clients wait for them before they send anything (`protocol.md` 5.1). Metadata that
   * cannot be sent (see `CallOptions.metadata` of `GrpcChannel`) fails with `INTERNAL`: it is the handler's mistake.
   */
  readonly sendInitialMetadata: (metadata: Metadata.Metadata) => Effect.Effect<void, GrpcStatus.GrpcStatusError>
}

/**
 * One served RPC. Whoever serves it runs each RPC in a fiber of its own, which is over when the RPC is.
 *
 * @since 0.1.0
 * @category models
 */
export type GrpcHandler = Data.TaggedEnum<{
  readonly Unary: {
    readonly handle: (
      message: Uint8Array,
      request: GrpcRequest
    ) => Effect.Effect<Uint8Array, GrpcStatus.GrpcStatusError>
  }
  readonly ServerStreaming: {
    readonly handle: (
      message: Uint8Array,
      request: GrpcRequest
    ) => Stream.Stream<Uint8Array, GrpcStatus.GrpcStatusError>
  }
  readonly Duplex: {
    readonly handle: (duplex: GrpcServerDuplex) => Effect.Effect<void, GrpcStatus.GrpcStatusError, Scope.Scope>
  }
}>

/**
 * @since 0.1.0
 * @category constructors
 */
export const GrpcHandler = Data.taggedEnum<GrpcHandler>()

/**
 * Served RPCs by full method path, as in `/jumpstarter.v1.ExporterService/GetReport`.
 *
 * @since 0.1.0
 * @category models
 */
export type GrpcHandlers = ReadonlyMap<string, GrpcHandler>
