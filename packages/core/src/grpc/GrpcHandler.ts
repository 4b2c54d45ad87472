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
import type { RpcFibers } from "./rpcFibers.ts"

/**
 * What the caller sent along with an RPC. When a metadata key occurs more than once, the last value wins.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcRequest {
  readonly metadata: Metadata.Metadata
}

/**
 * A bidirectional RPC as its handler sees it. The RPC ends with `OK` when the handler succeeds and with the handler's
 * failure otherwise. When the caller goes away, the handler is interrupted.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcServerDuplex extends GrpcRequest {
  /**
   * Returns the messages that arrived since the last `receive`, and waits until there is at least one. For one consumer only.
   * After the last message it fails: with `None` when the caller has half-closed.
   */
  readonly receive: Effect.Effect<Chunk.Chunk<Bytes>, Option.Option<GrpcStatus.GrpcStatusError>>
  /** Sends a message, and waits while the caller does not read. Do not change the bytes afterwards. */
  readonly send: (message: Bytes) => Effect.Effect<void, GrpcStatus.GrpcStatusError>
  /**
   * Sends the response headers. Python clients wait for them before they send anything (`protocol.md` 5.1). Metadata that
   * cannot be sent (see `CallOptions.metadata` of `GrpcChannel`) is the handler's mistake and fails with `INTERNAL`.
   */
  readonly sendInitialMetadata: (metadata: Metadata.Metadata) => Effect.Effect<void, GrpcStatus.GrpcStatusError>
}

/**
 * The handler of one RPC method. The server runs each RPC in its own fiber, which ends with the RPC and has none of the services of
 * the program that serves it.
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
    /**
     * Does the same with fewer steps: it begins when it is called, and returns an `Exit` if the call has ended at once. Otherwise the
     * effect must be run, and interrupts the call.
     *
     * @internal
     */
    readonly start?:
      | ((
        message: Uint8Array,
        request: GrpcRequest,
        fibers: RpcFibers
      ) => Effect.Effect<Uint8Array, GrpcStatus.GrpcStatusError>)
      | undefined
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
 * Handlers by full method path, such as `/jumpstarter.v1.ExporterService/GetReport`.
 *
 * @since 0.1.0
 * @category models
 */
export type GrpcHandlers = ReadonlyMap<string, GrpcHandler>
