// Describes an RPC of an exporter by its request message or its metadata. Injected faults and recordings use these
// names.
import { ExporterServiceDefinition, type GetReportResponse } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Metadata from "../grpc/Metadata.ts"
import * as driverCallCodec from "../protocol/driverCall.ts"
import { CallKind } from "../protocol/DriverError.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import * as rpcs from "../protocol/rpcs.ts"
import * as streamRequest from "../protocol/streamRequest.ts"

// The kinds of driver calls, and the RPCs of the exporter itself.
export const Kind = Schema.Literal(...CallKind.literals, "report", "status", "endSession", "log")

export type Kind = typeof Kind.Type

// Whether a single result ends the RPC.
export const isUnary = (kind: Kind): boolean =>
  kind === "call" || kind === "report" || kind === "status" || kind === "endSession"

export interface ExporterCall {
  readonly kind: Kind
  // The driver's uuid; empty for an RPC of the exporter itself.
  readonly uuid: string
  readonly method: string
  readonly args: ReadonlyArray<JsonValue>
  readonly contentEncoding: string | null
}

const { methods } = ExporterServiceDefinition

const ofExporter: ReadonlyMap<string, Kind> = new Map([
  [rpcs.ofExporter(methods.getReport), "report"],
  [rpcs.ofExporter(methods.getStatus), "status"],
  [rpcs.ofExporter(methods.endSession), "endSession"],
  [rpcs.ofExporter(methods.logStream), "log"]
])

const ofDriver: ReadonlyMap<string, Kind> = new Map([
  [rpcs.ofExporter(methods.driverCall), "call"],
  [rpcs.ofExporter(methods.streamingDriverCall), "streamingCall"]
])

const about = (kind: Kind, call: Partial<Omit<ExporterCall, "kind">> = {}): ExporterCall => ({
  kind,
  uuid: "",
  method: "",
  args: [],
  contentEncoding: null,
  ...call
})

// Describes an RPC with a request message; none for another service, or for a request that does not decode.
export const fromMessage = (rpc: string, message: Uint8Array): Option.Option<ExporterCall> => {
  const kind = ofExporter.get(rpc)
  if (kind !== undefined) return Option.some(about(kind))
  return Option.flatMap(
    Option.fromNullable(ofDriver.get(rpc)),
    (kind) => Option.map(Either.getRight(driverCallCodec.decodeRequest(message)), (request) => about(kind, request))
  )
}

const decodeStreamRequest = Schema.decodeUnknownOption(streamRequest.StreamRequest)

// Describes an RPC by its metadata.
export const fromMetadata = (rpc: string, metadata: Metadata.Metadata = Metadata.empty): Option.Option<ExporterCall> =>
  rpc === rpcs.stream
    ? Option.map(
      Option.flatMap(Metadata.get(metadata, streamRequest.requestKey), decodeStreamRequest),
      (request) =>
        request.kind === "driver"
          ? about("stream", { uuid: request.uuid, method: request.method })
          : about("resource", { uuid: request.uuid, contentEncoding: request.x_jmp_content_encoding })
    )
    : Option.none()

// The report in a result; none when the result does not decode.
export const decodeReport = (answer: Uint8Array): Option.Option<GetReportResponse> =>
  Option.liftThrowable(methods.getReport.responseType.decode)(answer)

export interface Match {
  readonly kind?: Kind | undefined
  readonly driver?: string | undefined
  readonly method?: string | undefined
}

export const matches = (
  match: Match,
  call: Pick<ExporterCall, "kind" | "method">,
  paths: ReadonlyArray<string>
): boolean =>
  (match.kind === undefined || match.kind === call.kind) &&
  (match.method === undefined || match.method === call.method) &&
  (match.driver === undefined || paths.includes(match.driver))
