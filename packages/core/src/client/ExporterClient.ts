/**
 * The exporter's services as effects and streams, one function per RPC. They fail with the statuses of the wire, which
 * `DriverClient` turns into driver errors.
 *
 * @since 0.1.0
 */
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as Metadata from "../grpc/Metadata.ts"
import * as DriverTree from "../protocol/DriverTree.ts"
import * as duplexStream from "../protocol/duplexStream.ts"
import * as ExporterStatus from "../protocol/ExporterStatus.ts"
import * as logCodec from "../protocol/logCodec.ts"
import type { LogEntry } from "../protocol/LogEntry.ts"
import * as rpcs from "../protocol/rpcs.ts"
import * as streamRequest from "../protocol/streamRequest.ts"
import * as stub from "../protocol/stub.ts"
import type { CallOptions, Channel, GrpcDuplex } from "../transport/GrpcChannel.ts"

/**
 * What an exporter says about itself: its labels, its message of the day, and its drivers.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterReport {
  readonly uuid: string
  readonly labels: Readonly<Record<string, string>>
  readonly motd: string
  readonly root: DriverTree.DriverNode
}

/**
 * A stream of an exporter, with the metadata it was opened with.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterStream extends duplexStream.DuplexStream {
  readonly metadata: Metadata.Metadata
}

/**
 * The RPCs of an exporter.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterClient {
  readonly target: string
  readonly getReport: Effect.Effect<ExporterReport, GrpcStatus.GrpcStatusError | DriverTree.InvalidReport>
  readonly getStatus: Effect.Effect<ExporterStatus.StatusReport, GrpcStatus.GrpcStatusError>
  /** Ends the session (`protocol.md` 9.3); never call it on a direct connection. */
  readonly endSession: Effect.Effect<
    { readonly success: boolean; readonly message: string },
    GrpcStatus.GrpcStatusError
  >
  /** The exporter's log from now on, after its backlog. It ends only when the RPC ends. */
  readonly logStream: Stream.Stream<LogEntry, GrpcStatus.GrpcStatusError>
  /** Calls a driver with an encoded `DriverCallRequest`, and returns an encoded `DriverCallResponse`. */
  readonly driverCall: (
    request: Uint8Array,
    options?: CallOptions
  ) => Effect.Effect<Uint8Array, GrpcStatus.GrpcStatusError>
  /** Like `driverCall`, with any number of results. */
  readonly streamingDriverCall: (
    request: Uint8Array,
    options?: CallOptions
  ) => Stream.Stream<Uint8Array, GrpcStatus.GrpcStatusError>
  /** Opens a byte stream of a driver, and waits until the driver has opened it. */
  readonly driverStream: (
    uuid: string,
    method: string,
    options?: CallOptions
  ) => Effect.Effect<ExporterStream, GrpcStatus.GrpcStatusError, Scope.Scope>
  /** Opens a resource stream for a driver; its metadata carries the handle. */
  readonly resourceStream: (
    uuid: string,
    contentEncoding: string | null,
    options?: CallOptions
  ) => Effect.Effect<ExporterStream, GrpcStatus.GrpcStatusError, Scope.Scope>
}

const { methods } = ExporterServiceDefinition

const peer = "exporter"

/**
 * The RPCs of the exporter behind a channel.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (channel: Channel): ExporterClient => {
  const { target } = channel
  const grace = duplexStream.makeGrace()

  const unary = <Request, Response>(
    method: stub.Method<Request, Response>,
    request: Request
  ): Effect.Effect<Response, GrpcStatus.GrpcStatusError> =>
    stub.unary(channel, rpcs.ofExporter(method), peer, method, request)

  const openStream = Effect.fnUntraced(function*(
    request: streamRequest.StreamRequest,
    { metadata: sent = Metadata.empty }: CallOptions = {}
  ) {
    const duplex: GrpcDuplex = yield* channel.duplex(rpcs.stream, {
      metadata: Metadata.set(sent, streamRequest.requestKey, streamRequest.toMetadata(request))
    })
    const metadata = yield* duplex.initialMetadata
    const stream = yield* duplexStream.fromDuplex(duplex, stub.malformed({ rpc: rpcs.stream, target }, peer), {
      // A resource is closed after the call that used it, so nobody needs the remaining bytes.
      closing: request.kind === "driver" ? "flush" : "cancel",
      grace,
      peerEndsRpc: Metadata.has(metadata, streamRequest.hostKey)
    })
    return { ...stream, metadata }
  })

  return {
    target,
    getReport: Effect.flatMap(
      unary(methods.getReport, {}),
      ({ labels, motd, reports, uuid }) =>
        Either.map(DriverTree.fromReports(reports), (root) => ({ uuid, labels, motd, root }))
    ),
    // The decoder has checked the types. Validating them again takes a fiftieth of the time of a connection.
    getStatus: Effect.map(unary(methods.getStatus, {}), (response) =>
      new ExporterStatus.StatusReport({
        status: ExporterStatus.fromNumber(response.status),
        message: response.message ?? "",
        version: Option.some(response.statusVersion),
        previous: Option.map(Option.fromNullable(response.previousStatus), ExporterStatus.fromNumber)
      }, { disableValidation: true })),
    endSession: Effect.map(
      unary(methods.endSession, {}),
      ({ message, success }) => ({ success, message: message ?? "" })
    ),
    logStream: Stream.mapEffect(
      Stream.suspend(() =>
        channel.serverStreaming(rpcs.ofExporter(methods.logStream), methods.logStream.requestType.encode({}).finish())
      ),
      (bytes) =>
        Effect.map(
          stub.decode(
            { rpc: rpcs.ofExporter(methods.logStream), target },
            peer,
            methods.logStream.responseType,
            bytes
          ),
          logCodec.fromProto
        )
    ),
    driverCall: (request, options) => channel.unary(rpcs.ofExporter(methods.driverCall), request, options),
    streamingDriverCall: (request, options) =>
      channel.serverStreaming(rpcs.ofExporter(methods.streamingDriverCall), request, options),
    driverStream: (uuid, method, options) => openStream({ kind: "driver", uuid, method }, options),
    resourceStream: (uuid, contentEncoding, options) =>
      openStream({ kind: "resource", uuid, x_jmp_content_encoding: contentEncoding }, options)
  }
}
