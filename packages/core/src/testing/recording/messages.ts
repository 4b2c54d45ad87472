// Converts the exporter's messages to values that a person can read, and back. A recording omits data that a client
// ignores: unknown fields, and the uuids of results and of log lines (protocol.md 4.1, 8).
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { isDeepStrictEqual } from "node:util"
import * as driverCallCodec from "../../protocol/driverCall.ts"
import * as ExporterStatus from "../../protocol/ExporterStatus.ts"
import * as logCodec from "../../protocol/logCodec.ts"
import { LogEntry, LogSeverity, LogSource } from "../../protocol/LogEntry.ts"
import type { JsonValue } from "../../protocol/ProtobufValue.ts"
import type { Kind } from "../exporterCall.ts"
import type { Aliases } from "./names.ts"

const Texts = Schema.Record({ key: Schema.String, value: Schema.String })

const Report = Schema.Struct({
  uuid: Schema.String,
  labels: Texts,
  motd: Schema.String,
  drivers: Schema.Array(Schema.Struct({
    uuid: Schema.String,
    parent: Schema.optional(Schema.String),
    labels: Texts,
    description: Schema.optional(Schema.String),
    methods: Schema.optional(Texts)
  }))
})

const Status = Schema.Struct({
  status: ExporterStatus.ExporterStatus,
  message: Schema.optional(Schema.String),
  version: Schema.BigInt,
  previous: Schema.optional(ExporterStatus.ExporterStatus)
})

const EndSession = Schema.Struct({ success: Schema.Boolean, message: Schema.optional(Schema.String) })

const Log = Schema.Struct({
  severity: LogSeverity,
  message: Schema.String,
  source: LogSource,
  driverType: Schema.optionalWith(Schema.String, { as: "Option" }),
  operation: Schema.optionalWith(Schema.String, { as: "Option" }),
  timestamp: Schema.optionalWith(Schema.DateTimeUtc, { as: "Option" }),
  fields: Texts
})

const { methods } = ExporterServiceDefinition

interface Codec {
  readonly toValue: (message: Uint8Array) => unknown
  readonly fromValue: (value: unknown) => Either.Either<Uint8Array, { readonly message: string }>
}

interface Method<Response> {
  readonly responseType: {
    readonly encode: (message: Response) => { readonly finish: () => Uint8Array }
    readonly decode: (bytes: Uint8Array) => Response
  }
}

const codec = <Response, A, I>(
  { responseType }: Method<Response>,
  schema: Schema.Schema<A, I>,
  to: (response: Response) => A,
  from: (value: A) => Response
): Codec => {
  const encode = Schema.encodeSync(schema)
  const decode = Schema.decodeUnknownEither(schema)
  return {
    toValue: (message) => encode(to(responseType.decode(message))),
    fromValue: (value) => Either.map(decode(value), (decoded) => responseType.encode(from(decoded)).finish())
  }
}

// Uses the generated encoder, which refuses nothing, because an exporter may send values that a client must not.
const result: Codec = {
  toValue: (message) => Either.getOrThrowWith(driverCallCodec.decodeResponse(message), ({ reason }) => reason),
  fromValue: (value) =>
    value === undefined
      ? Either.left({ message: "the value is missing" })
      : Either.right(methods.driverCall.responseType.encode({ uuid: "", result: value }).finish())
}

const codecs: Readonly<Record<Exclude<Kind, "stream" | "resource">, Codec>> = {
  call: result,
  streamingCall: result,
  report: codec(
    methods.getReport,
    Report,
    ({ labels, motd, reports, uuid }) => ({
      uuid,
      labels,
      motd,
      drivers: reports.map(({ description, labels, methodsDescription, parentUuid, uuid }) => ({
        uuid,
        ...(parentUuid === undefined ? {} : { parent: parentUuid }),
        labels,
        ...(description === undefined ? {} : { description }),
        ...(Object.keys(methodsDescription).length === 0 ? {} : { methods: methodsDescription })
      }))
    }),
    ({ drivers, labels, motd, uuid }) => ({
      uuid,
      labels,
      motd,
      alternativeEndpoints: [],
      reports: drivers.map(({ description, labels, methods, parent, uuid }) => ({
        uuid,
        parentUuid: parent,
        labels,
        description,
        methodsDescription: methods ?? {}
      }))
    })
  ),
  status: codec(
    methods.getStatus,
    Status,
    ({ message, previousStatus, status, statusVersion }) => ({
      status: ExporterStatus.fromNumber(status),
      ...(message === undefined ? {} : { message }),
      version: statusVersion,
      ...(previousStatus === undefined ? {} : { previous: ExporterStatus.fromNumber(previousStatus) })
    }),
    ({ message, previous, status, version }) => ({
      status: ExporterStatus.toNumber(status),
      message,
      statusVersion: version,
      previousStatus: previous === undefined ? undefined : ExporterStatus.toNumber(previous)
    })
  ),
  endSession: codec(
    methods.endSession,
    EndSession,
    ({ message, success }) => ({ success, ...(message === undefined ? {} : { message }) }),
    ({ message, success }) => ({ success, message })
  ),
  log: codec(
    methods.logStream,
    Log,
    logCodec.fromProto,
    (entry) => logCodec.toProto(new LogEntry(entry))
  )
}

const isStructured = (kind: Kind): kind is keyof typeof codecs => kind in codecs

// The value of a message, and whether JSON expresses it exactly; none when the message is malformed.
export const toValue = (
  kind: Kind,
  message: Uint8Array
): { readonly value: JsonValue; readonly exact: boolean } | undefined => {
  if (!isStructured(kind)) return undefined
  const { fromValue, toValue } = codecs[kind]
  try {
    const value = toValue(message)
    const written: JsonValue = JSON.parse(JSON.stringify(value))
    const again = fromValue(written)
    return { value: written, exact: Either.isRight(again) && isDeepStrictEqual(toValue(again.right), value) }
  } catch {
    return undefined
  }
}

export const fromValue = (kind: Kind, value: unknown): Either.Either<Uint8Array, string> =>
  isStructured(kind)
    ? Either.mapLeft(codecs[kind].fromValue(value), ({ message }) => message)
    : Either.left("a byte stream has bytes, not values")

// Numbers the uuids of a report, in order.
export const nameReport = (value: JsonValue, aliases: Aliases): void => {
  const report = Schema.decodeUnknownOption(Report)(value)
  if (report._tag === "None") return
  for (const uuid of [report.value.uuid, ...report.value.drivers.map(({ uuid }) => uuid)]) {
    if (uuid !== "") aliases.add(uuid)
  }
}
