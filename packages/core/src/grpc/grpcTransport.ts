// What a transport of gRPC is, below the channel that programs use.
import type * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Bytes from "./Bytes.ts"
import type { GrpcStatusError } from "./GrpcStatus.ts"
import type * as Metadata from "./Metadata.ts"

/**
 * Options of one RPC.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallOptions {
  /**
   * Sent along with the RPC. Keys are made of lower-case letters, digits, `-`, `_` and `.`, values of printable ASCII without
   * spaces at the ends. What else a program gives, and what HTTP or gRPC reserve, fails the RPC with `INVALID_ARGUMENT` before
   * anything is sent; what the transport sends itself, such as `content-type`, keeps the transport's value.
   */
  readonly metadata?: Metadata.Metadata | undefined
}

/**
 * A bidirectional RPC. It is cancelled when its scope closes before it ended by itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcDuplex {
  /** The peer's response headers, as soon as they arrive. Fails when the RPC ends without any. */
  readonly initialMetadata: Effect.Effect<Metadata.Metadata, GrpcStatusError>
  /**
   * The peer's messages since the last time, at least one, for one consumer; waits for it. After the last one it fails, with
   * `None` when the RPC ended with `OK`.
   */
  readonly receive: Effect.Effect<Chunk.Chunk<Bytes.Bytes>, Option.Option<GrpcStatusError>>
  /**
   * Sends a message, waiting while the peer does not read. Its bytes must not be changed afterwards: they may still be on
   * their way. Fails once the RPC has ended.
   */
  readonly send: (message: Bytes.Bytes) => Effect.Effect<void, GrpcStatusError>
  /** Says that nothing more will be sent. Receiving goes on. */
  readonly halfClose: Effect.Effect<void>
  /** Cancels the RPC and waits until it has ended. */
  readonly cancel: Effect.Effect<void>
  /** Waits for the end of the RPC; fails unless its status is `OK`. Messages must be consumed for it to come. */
  readonly status: Effect.Effect<void, GrpcStatusError>
}

/**
 * The connection beneath a channel.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcConnection {
  /** Connects, where there is no connection yet. Fails as an RPC that cannot connect. */
  readonly open: Effect.Effect<void, GrpcStatusError>
  /**
   * Gives up the connection, for one that has gone silent: RPCs under way fail with `UNAVAILABLE` of origin `transport`, and
   * the next one connects anew.
   */
  readonly drop: (details: string) => Effect.Effect<void>
  /** Tells, until the scope closes, of each connection that ends or is wound up by the peer; not of those given up here. */
  readonly onEnd: (listener: (details: string) => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * What carries the RPCs of a channel: Node's HTTP/2, nice-grpc on grpc-js, or nothing, because they stay in this process.
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
  /** Absent where there is none, as in memory. */
  readonly connection?: GrpcConnection | undefined
  readonly unary: (
    rpc: string,
    message: Uint8Array,
    options: CallOptions
  ) => Effect.Effect<Uint8Array, GrpcStatusError>
  readonly serverStreaming: (
    rpc: string,
    message: Uint8Array,
    options: CallOptions
  ) => Stream.Stream<Uint8Array, GrpcStatusError>
  readonly duplex: (rpc: string, options: CallOptions) => Effect.Effect<GrpcDuplex, GrpcStatusError, Scope.Scope>
}

/**
 * Options of a channel to an endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChannelOptions {
  /** How long one attempt to connect may take; 10 seconds unless given. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /**
   * What carries the RPCs; `http2` unless given, or `nice-grpc` where there are `grpcOptions` or a proxy, see `fromEndpoint`.
   * `http2` connects directly whatever proxy is set.
   */
  readonly transport?: Exclude<TransportName, "memory"> | undefined
  /** gRPC channel arguments, as `grpcOptions` in a client configuration. Only nice-grpc takes them. */
  readonly grpcOptions?: Readonly<Record<string, string | number>> | undefined
}
