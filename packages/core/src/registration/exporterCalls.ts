// The RPCs of an exporter to the controller (protocol.md 12.1 and 13.2). Each carries the exporter's identity. Nothing is retried here.
import {
  ControllerServiceDefinition,
  type DriverInstanceReport,
  type ListenResponse,
  type StatusResponse
} from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as attempts from "../controller/attempts.ts"
import type { ControllerError } from "../controller/Controller.ts"
import type { ExporterConfig } from "../controller/ExporterConfig.ts"
import * as Metadata from "../grpc/Metadata.ts"
import * as exporterStatus from "../protocol/ExporterStatus.ts"
import * as rpcs from "../protocol/rpcs.ts"
import * as stub from "../protocol/stub.ts"
import type { Channel } from "../transport/GrpcChannel.ts"
import * as interruptible from "../util/interruptible.ts"

export interface ExporterCalls {
  readonly register: (
    labels: Readonly<Record<string, string>>,
    reports: ReadonlyArray<DriverInstanceReport>
  ) => Effect.Effect<void, ControllerError>
  readonly unregister: (reason: string) => Effect.Effect<void, ControllerError>
  /** `releases` ends the current lease, on controllers that are too old for `release`. */
  readonly report: (
    status: exporterStatus.ExporterStatus,
    message: string,
    releases?: boolean
  ) => Effect.Effect<void, ControllerError>
  readonly release: (lease: string) => Effect.Effect<void, ControllerError>
  /** Whether the exporter is leased, and by whom. It ends now and then. */
  readonly status: Stream.Stream<StatusResponse, ControllerError>
  /** The clients that dial. It ends when another process listens for the same lease. */
  readonly listen: (lease: string) => Stream.Stream<ListenResponse, ControllerError>
}

const { methods } = ControllerServiceDefinition

const peer = "controller"

const bound = Duration.seconds(30)

export const make = (
  { name, namespace, token }: Pick<ExporterConfig, "name" | "namespace" | "token">,
  channel: Channel
): ExporterCalls => {
  const metadata = Metadata.make({
    authorization: `Bearer ${Redacted.value(token)}`,
    "jumpstarter-kind": "Exporter",
    "jumpstarter-namespace": namespace,
    "jumpstarter-name": name
  })
  const { target } = channel

  const ask = <Request, Response>(method: stub.Method<Request, Response>, request: Request, subject?: string) =>
    stub.unary(channel, rpcs.of(ControllerServiceDefinition, method), peer, method, request, { metadata }).pipe(
      Effect.mapError(attempts.fromStatus(method.name, subject)),
      interruptible.timeoutFail({
        duration: bound,
        onTimeout: () => attempts.timedOut({ name: method.name, target, subject }, bound)
      }),
      Effect.asVoid
    )

  const stream = <Request, Response>(
    { name, requestType, responseType }: stub.Method<Request, Response>,
    request: Request,
    subject?: string
  ): Stream.Stream<Response, ControllerError> => {
    const rpc = rpcs.of(ControllerServiceDefinition, { name })
    return Stream.suspend(() => channel.serverStreaming(rpc, requestType.encode(request).finish(), { metadata })).pipe(
      Stream.mapEffect((bytes) => stub.decode({ rpc, target }, peer, responseType, bytes)),
      Stream.mapError(attempts.fromStatus(name, subject))
    )
  }

  return {
    register: (labels, reports) => ask(methods.register, { labels, reports: [...reports] }),
    unregister: (reason) => ask(methods.unregister, { reason }),
    report: (status, message, releases) =>
      ask(methods.reportStatus, { status: exporterStatus.toNumber(status), message, releaseLease: releases }),
    release: (lease) => ask(methods.releaseLease, { name: lease }, lease),
    status: stream(methods.status, {}),
    listen: (lease) => stream(methods.listen, { leaseName: lease }, lease)
  }
}
