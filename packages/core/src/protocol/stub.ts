// Calls RPCs through their generated definitions. `peer` names the other side in errors, such as "controller".
import * as Effect from "effect/Effect"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import type { CallOptions, Channel } from "../transport/GrpcChannel.ts"

export interface MessageType<A> {
  readonly encode: (message: A) => { readonly finish: () => Uint8Array }
  readonly decode: (bytes: Uint8Array) => A
}

export interface Method<Request, Response> {
  readonly name: string
  readonly requestType: MessageType<Request>
  readonly responseType: MessageType<Response>
}

export const malformed =
  (place: GrpcStatus.StatusPlace, peer: string) => (cause: unknown): GrpcStatus.GrpcStatusError =>
    GrpcStatus.refused(
      place,
      "INTERNAL",
      `malformed message from the ${peer}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause }
    )

export const decode = <A>(
  place: GrpcStatus.StatusPlace,
  peer: string,
  type: MessageType<A>,
  bytes: Uint8Array
): Effect.Effect<A, GrpcStatus.GrpcStatusError> =>
  Effect.try({ try: () => type.decode(bytes), catch: malformed(place, peer) })

export const unary = <Request, Response>(
  channel: Channel,
  rpc: string,
  peer: string,
  method: Method<Request, Response>,
  request: Request,
  options?: CallOptions
): Effect.Effect<Response, GrpcStatus.GrpcStatusError> =>
  Effect.flatMap(
    Effect.suspend(() => channel.unary(rpc, method.requestType.encode(request).finish(), options)),
    (bytes) => decode({ rpc, target: channel.target }, peer, method.responseType, bytes)
  )
