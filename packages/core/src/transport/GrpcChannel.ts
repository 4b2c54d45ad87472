/**
 * The service that all RPCs go through: gRPC calls over encoded messages, to a peer on a Unix socket, TCP, TLS, or in memory.
 *
 * All modules above use only this service. A wrapper of it sees every message, so it is the place to add a token, and the place
 * for recording, fault injection and metrics.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../grpc/Bytes.ts"
import * as Endpoint from "../grpc/Endpoint.ts"
import type * as GrpcHandler from "../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import type {
  CallOptions,
  ChannelOptions,
  GrpcConnection,
  GrpcDuplex,
  GrpcTransport,
  TransportName
} from "../grpc/grpcTransport.ts"
import { memory } from "../grpc/memoryAddress.ts"
import { maxMessageBytes } from "../grpc/messageLimit.ts"
import * as Metadata from "../grpc/Metadata.ts"
import * as sendable from "../grpc/sendable.ts"
import * as endpointTransport from "./endpointTransport.ts"
import * as memoryGrpc from "./memory/transport.ts"

export {
  type CallOptions,
  type ChannelOptions,
  type GrpcConnection,
  type GrpcDuplex,
  type GrpcTransport,
  maxMessageBytes,
  type TransportName
}

/**
 * gRPC calls over encoded messages. `rpc` is the full method path, such as `/jumpstarter.v1.ExporterService/GetReport`.
 * Interrupting a call or a stream, or closing the scope of a duplex, cancels the RPC. No deadline is set. Nothing is retried, with
 * one exception: an RPC that the peer never began, according to HTTP/2, is sent again once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Channel {
  readonly target: string
  /** What carries the RPCs. */
  readonly transport: TransportName
  /** Absent when the channel has no connection, as in memory. */
  readonly connection?: GrpcConnection | undefined
  readonly unary: (
    rpc: string,
    message: Uint8Array,
    options?: CallOptions
  ) => Effect.Effect<Uint8Array, GrpcStatus.GrpcStatusError>
  readonly serverStreaming: (
    rpc: string,
    message: Uint8Array,
    options?: CallOptions
  ) => Stream.Stream<Uint8Array, GrpcStatus.GrpcStatusError>
  readonly duplex: (
    rpc: string,
    options?: CallOptions
  ) => Effect.Effect<GrpcDuplex, GrpcStatus.GrpcStatusError, Scope.Scope>
}

/**
 * The channel that a program runs with.
 *
 * @since 0.1.0
 * @category tags
 */
export class GrpcChannel extends Context.Tag("@effect-jumpstarter/core/GrpcChannel")<GrpcChannel, Channel>() {}

/**
 * Makes a channel from a transport. Messages larger than `maxMessageBytes` are refused before they are sent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (transport: GrpcTransport): Channel => {
  // Checked here because the transports below throw errors that contain the value, which may be a secret.
  const checkedOptions = (
    rpc: string,
    options: CallOptions
  ): Effect.Effect<CallOptions, GrpcStatus.GrpcStatusError> => {
    if (!sendable.isRpc(rpc)) {
      const path = JSON.stringify(rpc.slice(0, 200))
      return refuse(
        rpc,
        "INVALID_ARGUMENT",
        `${path} is not the path of an RPC, which has the form /package.Service/Method`
      )
    }
    if (options.metadata === undefined) return Effect.succeed(options)
    const metadata = sendable.metadata(options.metadata)
    return Either.isRight(metadata)
      ? Effect.succeed({ ...options, metadata: metadata.right })
      : refuse(rpc, "INVALID_ARGUMENT", metadata.left)
  }

  const refuse = (rpc: string, code: "INVALID_ARGUMENT" | "FAILED_PRECONDITION", details: string) =>
    GrpcStatus.refused({ rpc, target: transport.target }, code, details)

  const checked = <M extends Bytes.Bytes>(rpc: string, message: M): Effect.Effect<M, GrpcStatus.GrpcStatusError> => {
    const size = Bytes.size(message)
    return size <= maxMessageBytes
      ? Effect.succeed(message)
      : refuse(
        rpc,
        "INVALID_ARGUMENT",
        `the message has ${size} bytes, and the protocol allows at most ${maxMessageBytes}`
      )
  }

  const duplex: Channel["duplex"] = (rpc, options = {}) =>
    Effect.map(Effect.flatMap(checkedOptions(rpc, options), (options) => transport.duplex(rpc, options)), (duplex) => {
      let halfClosed = false
      return {
        ...duplex,
        send: (message) =>
          Effect.suspend(() =>
            halfClosed
              ? refuse(rpc, "FAILED_PRECONDITION", "nothing can be sent after the half-close")
              : Effect.flatMap(checked(rpc, message), duplex.send)
          ),
        halfClose: Effect.suspend(() => {
          halfClosed = true
          return duplex.halfClose
        })
      }
    })

  return {
    target: transport.target,
    transport: transport.transport,
    connection: transport.connection,
    unary: (rpc, message, options = {}) =>
      Effect.flatMap(
        checkedOptions(rpc, options),
        (options) => Effect.flatMap(checked(rpc, message), (message) => transport.unary(rpc, message, options))
      ),
    serverStreaming: (rpc, message, options = {}) =>
      Stream.unwrap(
        Effect.flatMap(
          checkedOptions(rpc, options),
          (options) => Effect.map(checked(rpc, message), (message) => transport.serverStreaming(rpc, message, options))
        )
      ),
    duplex
  }
}

/**
 * Sends metadata along with every RPC of a channel. When an RPC has the same key, the RPC's own value is sent.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { type Endpoint, GrpcChannel, Metadata } from "@effect-jumpstarter/core"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const layerToken = (endpoint: Endpoint.Endpoint, token: Redacted.Redacted) =>
 *   Layer.scoped(
 *     GrpcChannel.GrpcChannel,
 *     Effect.map(
 *       GrpcChannel.fromEndpoint(endpoint),
 *       GrpcChannel.withMetadata(Metadata.make({ authorization: `Bearer ${Redacted.value(token)}` }))
 *     )
 *   )
 * ```
 */
export const withMetadata: {
  (metadata: Metadata.Metadata): (channel: Channel) => Channel
  (channel: Channel, metadata: Metadata.Metadata): Channel
} = dual(2, (channel: Channel, metadata: Metadata.Metadata): Channel => {
  const extend = (options: CallOptions | undefined): CallOptions => ({
    ...options,
    metadata: options?.metadata === undefined ? metadata : Metadata.merge(metadata, options.metadata)
  })
  return {
    ...channel,
    unary: (rpc, message, options) => channel.unary(rpc, message, extend(options)),
    serverStreaming: (rpc, message, options) => channel.serverStreaming(rpc, message, extend(options)),
    duplex: (rpc, options) => channel.duplex(rpc, extend(options))
  }
})

/**
 * Opens a channel to an endpoint. The first RPC connects. After the connection is lost, the next RPC connects again. An RPC that
 * cannot connect fails with `UNAVAILABLE` of origin `transport`.
 *
 * All RPCs share one connection over Node's HTTP/2. With channel arguments in `grpcOptions`, or through a proxy, they use nice-grpc
 * instead, which takes two to four times the processor time. The option `transport` overrides this choice; `transport` of the
 * channel and a debug line in the log show the result. The proxy is read from Effect's `Config`: `grpc_proxy`, `https_proxy` or
 * `http_proxy`, with exceptions in `no_grpc_proxy` or `no_proxy`. So is `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH`, the path of a file of
 * certificates that replace the system's roots.
 *
 * Fails when the endpoint or its certificates cannot be used, or when the certificate of a trust-on-first-use server cannot be
 * read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEndpoint = (
  endpoint: Endpoint.Endpoint,
  options: ChannelOptions = {}
): Effect.Effect<Channel, GrpcStatus.GrpcStatusError, Scope.Scope> =>
  Effect.suspend(() => Effect.map(endpointTransport.make(endpoint, Endpoint.format(endpoint), options), make))

/**
 * Makes a channel to handlers in this process. Every message is encoded and decoded. Headers, cancellation, backpressure and size
 * limits behave as on a socket. Handlers do not run in the caller's fiber.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromHandlers = (
  handlers: GrpcHandler.GrpcHandlers,
  options: { readonly target?: string | undefined } = {}
): Effect.Effect<Channel, never, Scope.Scope> =>
  Effect.map(memoryGrpc.makeTransport(handlers, options.target ?? memory), make)

/**
 * A channel to an endpoint.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  endpoint: Endpoint.Endpoint,
  options?: ChannelOptions
): Layer.Layer<GrpcChannel, GrpcStatus.GrpcStatusError> => Layer.scoped(GrpcChannel, fromEndpoint(endpoint, options))

/**
 * A channel to handlers in this process; see `fromHandlers`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (
  handlers: GrpcHandler.GrpcHandlers,
  options?: { readonly target?: string | undefined }
): Layer.Layer<GrpcChannel> => Layer.scoped(GrpcChannel, fromHandlers(handlers, options))
