// The channels to a controller and to its routers.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Endpoint from "../grpc/Endpoint.ts"
import * as GrpcChannel from "../transport/GrpcChannel.ts"
import * as attempts from "./attempts.ts"
import type { ControllerError } from "./controllerError.ts"
import type { ControllerClient } from "./controllerRequests.ts"

interface Service {
  readonly endpoint: Endpoint.Tcp | Endpoint.Tls
  readonly grpcOptions: Readonly<Record<string, string | number>>
}

const firstLook = Duration.seconds(30)

/** Makes a channel to a controller, over nice-grpc, which supports proxies and channel arguments. The first request connects. */
export const connect = (
  { endpoint, grpcOptions }: Service
): Effect.Effect<GrpcChannel.Channel, ControllerError, Scope.Scope> => {
  const request = { name: "connect", target: Endpoint.format(endpoint) }
  return Effect.flatMap(Effect.scope, (scope) =>
    attempts.persist(
      request,
      firstLook,
      GrpcChannel.fromEndpoint(endpoint, { transport: "nice-grpc", grpcOptions }).pipe(
        Effect.mapError(attempts.fromStatus(request.name)),
        Effect.provideService(Scope.Scope, scope)
      )
    ))
}

/** Makes channels to routers. */
export const routers = ({ grpcOptions }: Pick<Service, "grpcOptions">): ControllerClient["router"] => (endpoint) =>
  GrpcChannel.fromEndpoint(endpoint, { grpcOptions })
