// Makes handlers of the controller from the generated definitions of its methods.
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { GrpcHandler, type GrpcRequest } from "../../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import * as rpcs from "../../protocol/rpcs.ts"
import type { Method } from "../../protocol/stub.ts"
import { tooLarge } from "./refusal.ts"

interface Service {
  readonly fullName: string
}

export type Served = readonly [path: string, handler: GrpcHandler]

const decoded = <Request, Response>(
  method: Method<Request, Response>,
  bytes: Uint8Array
): Effect.Effect<Request, GrpcStatus.GrpcStatusError> =>
  Effect.suspend(() =>
    tooLarge(bytes) ?? Effect.try({
      try: () => method.requestType.decode(bytes),
      catch: (cause) => GrpcStatus.make("INTERNAL", `grpc: error unmarshalling request: ${String(cause)}`, cause)
    })
  )

export const unary = <Request, Response>(
  service: Service,
  method: Method<Request, Response>,
  handle: (request: Request, call: GrpcRequest) => Effect.Effect<Response, GrpcStatus.GrpcStatusError>
): Served => [
  rpcs.of(service, method),
  GrpcHandler.Unary({
    handle: (bytes, call) =>
      decoded(method, bytes).pipe(
        Effect.flatMap((request) => handle(request, call)),
        Effect.map((response) => method.responseType.encode(response).finish())
      )
  })
]

export const streaming = <Request, Response>(
  service: Service,
  method: Method<Request, Response>,
  handle: (request: Request, call: GrpcRequest) => Stream.Stream<Response, GrpcStatus.GrpcStatusError>
): Served => [
  rpcs.of(service, method),
  GrpcHandler.ServerStreaming({
    handle: (bytes, call) =>
      Stream.unwrap(Effect.map(decoded(method, bytes), (request) => handle(request, call))).pipe(
        Stream.map((response) => method.responseType.encode(response).finish())
      )
  })
]

// A method that the controller does not have.
const unimplemented = (details: string): GrpcHandler =>
  GrpcHandler.Unary({ handle: () => GrpcStatus.make("UNIMPLEMENTED", details) })

/** A method that is declared, but not implemented. */
export const nameOnly = (service: Service, method: string): Served => [
  rpcs.of(service, { name: method }),
  unimplemented(`method ${method} not implemented`)
]

/** Handlers that refuse unknown methods with the texts of Go. */
export class Handlers extends Map<string, GrpcHandler> {
  override get(path: string): GrpcHandler {
    const [, service = "", method = ""] = path.split("/")
    return super.get(path) ?? unimplemented(
      [...this.keys()].some((known) => known.startsWith(`/${service}/`))
        ? `unknown method ${method} for service ${service}`
        : `unknown service ${service}`
    )
  }
}
