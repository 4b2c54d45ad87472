// A client's and an exporter's calls of the services of a controller.
import { ClientServiceDefinition, Lease } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import {
  ControllerServiceDefinition,
  type DriverInstanceReport,
  type StatusResponse
} from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { StreamRequest, StreamResponse } from "@effect-jumpstarter/proto/jumpstarter/v1/router"
import { Chunk, Effect, Option, Queue, Redacted, type Scope, Stream } from "effect"
import * as Bytes from "../../src/grpc/Bytes.ts"
import type { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import type { GrpcTransport } from "../../src/grpc/grpcTransport.ts"
import * as Metadata from "../../src/grpc/Metadata.ts"
import * as rpcs from "../../src/protocol/rpcs.ts"
import type * as stub from "../../src/protocol/stub.ts"
import type { Control, Credentials } from "../../src/testing/ControllerTest.ts"
import type { Channel } from "../../src/transport/GrpcChannel.ts"

// Tests leave out the fields that they do not need.
interface Method<Request, Response> extends stub.Method<Request, Response> {
  readonly requestType: stub.MessageType<Request> & { readonly fromPartial: (partial: Partial<Request>) => Request }
}

type Entries = Readonly<Record<string, string>>

/** The metadata that identifies a caller. */
export const metadataOf = ({ kind, name, namespace, token }: Credentials): Entries => ({
  authorization: `Bearer ${Redacted.value(token)}`,
  "jumpstarter-kind": kind,
  "jumpstarter-namespace": namespace,
  "jumpstarter-name": name
})

// Calls one service with the metadata of one caller.
const callerOf = (channel: Channel, entries: Entries, service: { readonly fullName: string }) => {
  const metadata = Metadata.make(entries)
  const encoded = <Request, Response>({ requestType }: Method<Request, Response>, request: Partial<Request>) =>
    requestType.encode(requestType.fromPartial(request)).finish()
  return {
    call: <Request, Response>(
      method: Method<Request, Response>,
      request: Partial<Request>
    ): Effect.Effect<Response, GrpcStatusError> =>
      Effect.map(
        channel.unary(rpcs.of(service, method), encoded(method, request), { metadata }),
        (bytes) => method.responseType.decode(bytes)
      ),
    stream: <Request, Response>(
      method: Method<Request, Response>,
      request: Partial<Request>
    ): Stream.Stream<Response, GrpcStatusError> =>
      Stream.map(
        channel.serverStreaming(rpcs.of(service, method), encoded(method, request), { metadata }),
        (bytes) => method.responseType.decode(bytes)
      )
  }
}

const { methods } = ClientServiceDefinition

const controller = ControllerServiceDefinition.methods

const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 })

/** A lease to create, most of whose fields are left out. `lasts` is its duration in seconds. */
export type Requested = Partial<Lease> & { readonly lasts?: number }

// Completes a lease, which lasts half an hour by default.
const requested = ({ lasts = 1800, ...lease }: Requested): Lease =>
  Lease.fromPartial({ duration: seconds(lasts), ...lease })

/** The calls of a client. */
export const clientOf = ({ controller: channel, namespace }: Control, metadata: Entries) => {
  const { call } = callerOf(channel, metadata, ClientServiceDefinition)
  const { call: callController } = callerOf(channel, metadata, ControllerServiceDefinition)
  const parent = `namespaces/${namespace}`
  const nameOf = (lease: string) => `${parent}/leases/${lease}`
  const create = (lease: Requested, leaseId = "") =>
    call(methods.createLease, { parent, leaseId, lease: requested(lease) })
  return {
    call,
    create,
    /** Creates a lease and returns its name. */
    lease: (lease: Requested, leaseId?: string) =>
      Effect.map(create(lease, leaseId), ({ name }) => name.slice(name.lastIndexOf("/") + 1)),
    get: (lease: string) => call(methods.getLease, { name: nameOf(lease) }),
    update: (lease: string, change: Partial<Lease>) =>
      call(methods.updateLease, {
        lease: Lease.fromPartial({ ...change, name: nameOf(lease) }),
        updateMask: undefined
      }),
    extend: (lease: string, total: number) =>
      call(methods.updateLease, { lease: Lease.fromPartial({ name: nameOf(lease), duration: seconds(total) }) }),
    delete: (lease: string) => call(methods.deleteLease, { name: nameOf(lease) }),
    exporter: (name: string) => call(methods.getExporter, { name: `${parent}/exporters/${name}` }),
    exporters: (request: { readonly filter?: string } = {}) => call(methods.listExporters, { parent, ...request }),
    dial: (leaseName: string) => callController(controller.dial, { leaseName }),
    /** Calls the service that exporters use too. */
    callController
  }
}

const drivers: ReadonlyArray<DriverInstanceReport> = [{
  uuid: "4b2c2a1e-6b2f-4a3e-8f53-1d2f6c7d8e90",
  parentUuid: undefined,
  labels: { "jumpstarter.dev/client": "jumpstarter_driver_power.client.PowerClient" },
  description: undefined,
  methodsDescription: {}
}]

/** The numbers of the statuses of exporters. */
export const status = {
  offline: 1,
  available: 2,
  beforeLease: 3,
  ready: 4,
  afterLease: 5,
  beforeLeaseFailed: 6,
  afterLeaseFailed: 7
} as const

/** The calls of an exporter. */
export const exporterOf = ({ controller: channel }: Control, metadata: Entries) => {
  const { call, stream } = callerOf(channel, metadata, ControllerServiceDefinition)
  const register = (labels: Readonly<Record<string, string>> = {}) =>
    call(controller.register, { labels, reports: [...drivers] })
  const report = (number: number, message = "", releaseLease = false) =>
    call(controller.reportStatus, { status: number, message, releaseLease })
  const notices = stream(controller.status, {})
  return {
    call,
    register,
    report,
    release: (name: string) => call(controller.releaseLease, { name }),
    listen: (leaseName: string) => stream(controller.listen, { leaseName }),
    notices,
    /** Registers, opens a Status stream, and reports that the exporter is available. `next` takes one notice after the other. */
    online: Effect.gen(function*() {
      yield* register()
      const queue = yield* Queue.unbounded<StatusResponse>()
      yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(notices, (notice) => queue.offer(notice))))
      const first = yield* queue.take
      yield* report(status.available)
      return { first, next: queue.take }
    }) satisfies Effect.Effect<unknown, GrpcStatusError, Scope.Scope>
  }
}

/** Adds a client to a stand-in. */
export const addClient = (lab: Control, name: string, labels: Readonly<Record<string, string>> = {}) =>
  Effect.map(lab.addClient(name, { labels }), (credentials) => clientOf(lab, metadataOf(credentials)))

/** Adds an exporter that has never connected. */
export const addExporter = (
  lab: Control,
  name: string,
  options?: { readonly labels?: Readonly<Record<string, string>>; readonly enabled?: boolean }
) => Effect.map(lab.addExporter(name, options), (credentials) => exporterOf(lab, metadataOf(credentials)))

/** Returns status, reason and text of a condition. */
export const condition = ({ conditions }: Lease, type: string): string | undefined => {
  const found = conditions.find((one) => one.type === type)
  return found === undefined ? undefined : `${found.status ?? ""} ${found.reason ?? ""}: ${found.message ?? ""}`
}

/** Returns code and details of the error of a call. */
export const refusal = <A>(effect: Effect.Effect<A, GrpcStatusError>): Effect.Effect<string, A> =>
  Effect.map(Effect.flip(effect), ({ code, details }) => `${code}: ${details}`)

/** One end of a tunnel. */
export type Tunnel = Effect.Effect.Success<ReturnType<typeof tunnel>>

/** Opens one end of a tunnel. */
export const tunnel = ({ router }: { readonly router: Pick<GrpcTransport, "duplex"> }, token: string) =>
  Effect.map(
    router.duplex(rpcs.stream, {
      metadata: Metadata.make({ authorization: `Bearer ${token}` })
    }),
    (duplex) => {
      const send = (frameType: number, payload: Uint8Array | string = "") =>
        duplex.send(
          StreamRequest.encode({
            frameType,
            payload: Buffer.from(payload)
          }).finish()
        )
      return {
        send,
        /** Sends what may be no frame. */
        sendBytes: duplex.send,
        halfClose: duplex.halfClose,
        status: duplex.status,
        cancel: duplex.cancel,
        /** The next frames, as `type:payload`; none at a clean end. */
        receive: Effect.map(
          duplex.receive,
          Chunk.map((message) => {
            const { frameType, payload } = StreamResponse.decode(Bytes.join(message))
            return `${frameType}:${new TextDecoder().decode(payload)}`
          })
        ).pipe(
          Effect.map(Chunk.toReadonlyArray),
          Effect.catchAll(
            Option.match({ onNone: () => Effect.succeed<ReadonlyArray<string>>([]), onSome: Effect.fail })
          )
        )
      }
    }
  )
