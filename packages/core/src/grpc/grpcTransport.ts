// The interface of a gRPC transport, below the channel that programs use.
import type * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Bytes from "./Bytes.ts"
import * as GrpcStatus from "./GrpcStatus.ts"
import type * as Metadata from "./Metadata.ts"

/**
 * Options of one RPC.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallOptions {
  /**
   * Sent along with the RPC. Keys consist of lower-case letters, digits, `-`, `_` and `.`; values are printable ASCII without
   * spaces at the ends. Any other entry, or a key that HTTP or gRPC reserves, fails the RPC with `INVALID_ARGUMENT` before
   * anything is sent. An entry that the transport sends itself, such as `content-type`, is ignored: the transport's value is sent.
   */
  readonly metadata?: Metadata.Metadata | undefined
}

/**
 * A bidirectional RPC. When its scope closes before the RPC has ended, the RPC is cancelled.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcDuplex {
  /** Waits for the peer's response headers. Fails when the RPC ends without any. */
  readonly initialMetadata: Effect.Effect<Metadata.Metadata, GrpcStatus.GrpcStatusError>
  /**
   * Returns the messages that arrived since the last `receive`, and waits until there is at least one. For one consumer only.
   * After the last message it fails: with `None` when the RPC ended with `OK`.
   */
  readonly receive: Effect.Effect<Chunk.Chunk<Bytes.Bytes>, Option.Option<GrpcStatus.GrpcStatusError>>
  /**
   * Sends a message, and waits while the peer does not read. Do not change the bytes afterwards: they may not have been sent
   * yet. Fails once the RPC has ended.
   */
  readonly send: (message: Bytes.Bytes) => Effect.Effect<void, GrpcStatus.GrpcStatusError>
  /** Ends the sending direction. Receiving continues. */
  readonly halfClose: Effect.Effect<void>
  /** Cancels the RPC and waits until it has ended. */
  readonly cancel: Effect.Effect<void>
  /** Waits for the end of the RPC, and fails unless its status is `OK`. The end comes only after all messages are consumed. */
  readonly status: Effect.Effect<void, GrpcStatus.GrpcStatusError>
}

/**
 * The connection beneath a channel.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcConnection {
  /** Connects unless there is a connection already. Fails like an RPC that cannot connect. */
  readonly open: Effect.Effect<void, GrpcStatus.GrpcStatusError>
  /**
   * Drops a connection that has gone silent. Running RPCs fail with `UNAVAILABLE` of origin `transport`, and the next RPC
   * connects again.
   */
  readonly drop: (details: string) => Effect.Effect<void>
  /**
   * Calls the listener, until the scope closes, for each connection that ends or that the peer is shutting down; not for those
   * that `drop` ends.
   */
  readonly onEnd: (listener: (details: string) => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * What carries the RPCs of a channel: Node's HTTP/2, nice-grpc on grpc-js, or nothing (`memory`) because the RPCs stay in this
 * process.
 *
 * @since 0.1.0
 * @category models
 */
export type TransportName = "http2" | "nice-grpc" | "memory"

/**
 * The three call shapes a transport implements.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcTransport {
  readonly transport: TransportName
  /** The peer's address, for error messages. */
  readonly target: string
  /** Absent when the transport has no connection, as in memory. */
  readonly connection?: GrpcConnection | undefined
  readonly unary: (
    rpc: string,
    message: Uint8Array,
    options: CallOptions
  ) => Effect.Effect<Uint8Array, GrpcStatus.GrpcStatusError>
  readonly serverStreaming: (
    rpc: string,
    message: Uint8Array,
    options: CallOptions
  ) => Stream.Stream<Uint8Array, GrpcStatus.GrpcStatusError>
  readonly duplex: (
    rpc: string,
    options: CallOptions
  ) => Effect.Effect<GrpcDuplex, GrpcStatus.GrpcStatusError, Scope.Scope>
}

/**
 * Options of a channel to an endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChannelOptions {
  /** How long one attempt to connect may take; 10 seconds by default. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /**
   * What carries the RPCs. The default is `http2`, or `nice-grpc` when `grpcOptions` or a proxy are set; see `fromEndpoint`.
   * With `http2` the proxy settings are ignored.
   */
  readonly transport?: Exclude<TransportName, "memory"> | undefined
  /** gRPC channel arguments, like `grpcOptions` in a client configuration. Only nice-grpc supports them. */
  readonly grpcOptions?: Readonly<Record<string, string | number>> | undefined
}

/** The failure of a message that is sent after its RPC has ended well. */
export const sentAfterEnd = (place: GrpcStatus.StatusPlace): GrpcStatus.GrpcStatusError =>
  GrpcStatus.refused(place, "FAILED_PRECONDITION", "the RPC has ended, nothing can be sent")
