// The clients of the stand-in.
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as ClientConfig from "../../controller/ClientConfig.ts"
import * as Controller from "../../controller/Controller.ts"
import type * as GrpcChannel from "../../transport/GrpcChannel.ts"

/** Who the client is, and how it reaches the services. */
interface Place {
  readonly namespace: string
  readonly name: string
  readonly endpoint: string
  readonly token: Redacted.Redacted
  readonly controller: GrpcChannel.Channel
  readonly router: GrpcChannel.Channel
}

// Its tokens have no refresh token, so nothing is requested.
const noIssuer = HttpClient.make((request) => new HttpClientError.RequestError({ request, reason: "Transport" }))

export const make = (
  { controller, endpoint, name, namespace, router, token }: Place
): Effect.Effect<Controller.ControllerClient, ClientConfig.ClientConfigError, Scope.Scope> =>
  Effect.flatMap(
    ClientConfig.make({ namespace, name, endpoint, token }),
    (config) => Controller.fromChannel(config, controller, { router: () => Effect.succeed(router) })
  ).pipe(Effect.provideService(HttpClient.HttpClient, noIssuer))
