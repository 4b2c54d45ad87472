// A controller that answers as a test says, with real messages over a real channel. It has no rules of its own.
import { ClientServiceDefinition, Exporter, Lease } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { ControllerServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as ClientConfig from "../../src/controller/ClientConfig.ts"
import * as Controller from "../../src/controller/Controller.ts"
import { GrpcHandler, type GrpcHandlers, type GrpcRequest } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as rpcs from "../../src/protocol/rpcs.ts"
import type * as stub from "../../src/protocol/stub.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"

const methods = ClientServiceDefinition.methods

const { dial } = ControllerServiceDefinition.methods

type Name = keyof typeof methods | "dial"

type Message<M> = M extends { readonly decode: (bytes: Uint8Array) => infer A } ? A : never

type RequestOf<N extends Name> = N extends keyof typeof methods ? Message<(typeof methods)[N]["requestType"]>
  : Message<(typeof dial)["requestType"]>

type ResponseOf<N extends Name> = N extends keyof typeof methods ? Message<(typeof methods)[N]["responseType"]>
  : Message<(typeof dial)["responseType"]>

export type Answers = {
  readonly [N in Name]?: (
    request: RequestOf<N>,
    rpc: GrpcRequest
  ) => Effect.Effect<ResponseOf<N>, GrpcStatus.GrpcStatusError>
}

export const fail = (code: GrpcStatus.GrpcCode, details: string) => Effect.fail(GrpcStatus.make(code, details))

/** Fails this many times, and answers then. */
export const after = <A>(
  failures: number,
  error: Effect.Effect<never, GrpcStatus.GrpcStatusError>,
  answer: Effect.Effect<A, GrpcStatus.GrpcStatusError>
): () => Effect.Effect<A, GrpcStatus.GrpcStatusError> => {
  let count = 0
  return () => Effect.suspend(() => ++count <= failures ? error : answer)
}

export const lease = (fields: Partial<Lease> = {}): Lease => ({
  ...Lease.create(),
  name: "namespaces/lab/leases/l1",
  client: "namespaces/lab/clients/c1",
  selector: "board=rpi4",
  duration: { seconds: 60n, nanos: 0 },
  ...fields
})

export const exporter = (fields: Partial<Exporter> = {}): Exporter => ({
  ...Exporter.create(),
  name: "namespaces/lab/exporters/e1",
  online: true,
  status: 2,
  ...fields
})

const handler = <Request, Response>(
  method: stub.Method<Request, Response>,
  answer: (request: Request, rpc: GrpcRequest) => Effect.Effect<Response, GrpcStatus.GrpcStatusError>
) =>
  GrpcHandler.Unary({
    handle: (bytes, rpc) =>
      Effect.map(
        Effect.suspend(() => answer(method.requestType.decode(bytes), rpc)),
        (response) => method.responseType.encode(response).finish()
      )
  })

export const handlers = (answers: Answers): GrpcHandlers => {
  const served = new Map<string, GrpcHandler>()
  const add = <Request, Response>(
    rpc: string,
    method: stub.Method<Request, Response>,
    answer: ((request: Request, rpc: GrpcRequest) => Effect.Effect<Response, GrpcStatus.GrpcStatusError>) | undefined
  ) => {
    if (answer !== undefined) served.set(rpc, handler(method, answer))
  }
  add(rpcs.ofClient(methods.getExporter), methods.getExporter, answers.getExporter)
  add(rpcs.ofClient(methods.listExporters), methods.listExporters, answers.listExporters)
  add(rpcs.ofClient(methods.getLease), methods.getLease, answers.getLease)
  add(rpcs.ofClient(methods.listLeases), methods.listLeases, answers.listLeases)
  add(rpcs.ofClient(methods.createLease), methods.createLease, answers.createLease)
  add(rpcs.ofClient(methods.updateLease), methods.updateLease, answers.updateLease)
  add(rpcs.ofClient(methods.deleteLease), methods.deleteLease, answers.deleteLease)
  add(rpcs.ofClient(methods.rotateToken), methods.rotateToken, answers.rotateToken)
  add(rpcs.dial, dial, answers.dial)
  return served
}

export const config = (values: Partial<ClientConfig.ClientConfigValues> = {}): ClientConfig.ClientConfig =>
  Either.getOrThrow(
    ClientConfig.make({
      namespace: "lab",
      name: "c1",
      endpoint: "lab.example:8082",
      token: Redacted.make("the-token"),
      ...values
    })
  )

/** An issuer that is never asked. */
export const noIssuer = HttpClient.make(() => Effect.dieMessage("the issuer was asked"))

/** A client of these answers, in memory. */
export const client = (
  answers: Answers,
  options: { readonly config?: ClientConfig.ClientConfig; readonly issuer?: HttpClient.HttpClient } = {}
) =>
  Effect.flatMap(
    GrpcChannel.fromHandlers(handlers(answers), { target: "lab" }),
    (channel) => Controller.fromChannel(options.config ?? config(), channel)
  ).pipe(Effect.provideService(HttpClient.HttpClient, options.issuer ?? noIssuer))
