// Converts statuses and metadata to and from HTTP/2 headers and trailers.
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import * as httpLoss from "./loss.ts"

const encoder = new TextEncoder()

// Percent-encodes everything but printable ASCII as UTF-8, and the percent sign itself. Spaces at the ends are encoded too, because
// HTTP/2 does not allow them there.
const encodeMessage = (text: string): string =>
  text.replace(/[^ -$&-~]+|^ +| +$/gu, (part) => {
    let encoded = ""
    for (const byte of encoder.encode(part)) encoded += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
    return encoded
  })

// gRPC requires receivers to accept badly encoded text.
const decodeMessage = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The trailers of an RPC that succeeded. */
export const success: OutgoingHttpHeaders = { "grpc-status": "0" }

export const toTrailers = (status: GrpcStatus.GrpcStatusError): OutgoingHttpHeaders => ({
  "grpc-status": String(GrpcStatus.codeToNumber(status.code)),
  "grpc-message": encodeMessage(status.details)
})

export const fromTrailers = (
  trailers: IncomingHttpHeaders
): { readonly code: GrpcStatus.GrpcCode; readonly details: string } | undefined => {
  const code = trailers["grpc-status"]
  if (code === undefined) return undefined
  const message = trailers["grpc-message"]
  return {
    code: typeof code === "string" && /^\d+$/.test(code) ? GrpcStatus.codeFromNumber(Number(code)) : "UNKNOWN",
    details: typeof message === "string" ? decodeMessage(message) : ""
  }
}

// The details of an RPC that ended without a status.
export const noStatus = "the RPC ended without a status"

// The details of a call that should have one answer but had none, or several.
export const noAnswer = "the RPC ended without an answer"
export const manyAnswers = "the RPC had more than one answer"

// Whether a content type is gRPC's, with a message format that this library speaks. Media types are case-insensitive.
export const isGrpc = (contentType: string | undefined): boolean =>
  contentType === "application/grpc" ||
  contentType !== undefined && /^application\/grpc(\+proto)?[ \t]*(;|$)/i.test(contentType)

// The peer may send a header of any length.
const maxShown = 100

// Returns the status that gRPC defines for an HTTP response that is not gRPC, such as one from a proxy, a load balancer or a login
// page. Returns undefined for a gRPC response.
export const problemOfAnswer = (
  httpStatus: number | undefined,
  contentType: string | undefined
): { readonly code: GrpcStatus.GrpcCode; readonly details: string } | undefined => {
  const hint = "is this the address of a proxy, a load balancer or a login page?"
  const type = contentType?.slice(0, maxShown) ?? "no content type"
  if (httpStatus !== constants.HTTP_STATUS_OK) {
    const details = `Received HTTP status code ${httpStatus} (${type}) instead of a gRPC response; ${hint}`
    return { code: codeOfHttpStatus(httpStatus), details }
  }
  return isGrpc(contentType)
    ? undefined
    : { code: "UNKNOWN", details: `Received ${type} (HTTP status code 200) instead of a gRPC response; ${hint}` }
}

const codeOfHttpStatus = (status: number | undefined): GrpcStatus.GrpcCode => {
  switch (status) {
    case 400:
      return "INTERNAL"
    case 401:
      return "UNAUTHENTICATED"
    case 403:
      return "PERMISSION_DENIED"
    case 404:
      return "UNIMPLEMENTED"
    case 429:
    case 502:
    case 503:
    case 504:
      return "UNAVAILABLE"
    default:
      return "UNKNOWN"
  }
}

// Returns the status that gRPC maps the reset of a stream to.
export const statusOfReset = (
  code: number
): { readonly code: GrpcStatus.GrpcCode; readonly details: string } => {
  switch (code) {
    case constants.NGHTTP2_NO_ERROR:
      return { code: "INTERNAL", details: noStatus }
    case constants.NGHTTP2_REFUSED_STREAM:
      return { code: "UNAVAILABLE", details: "Stream refused by server" }
    case constants.NGHTTP2_CANCEL:
      return {
        code: "CANCELLED",
        details: "Call cancelled by the exporter or by a proxy in between, not by this client"
      }
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return {
        code: "RESOURCE_EXHAUSTED",
        details:
          "Bandwidth exhausted or memory limit exceeded; the response has more than 256 KiB of headers, or the exporter limits " +
          "what it accepts"
      }
    case constants.NGHTTP2_INADEQUATE_SECURITY:
      return {
        code: "PERMISSION_DENIED",
        details: "Protocol not secure enough; the exporter asks for TLS, or for a newer version of it"
      }
    default:
      return { code: "INTERNAL", details: httpLoss.explainReset(code) }
  }
}

// When a key occurs more than once, the last value wins. Only the raw headers, alternating names and values, keep the order.
// Binary metadata is left out, because nothing in the protocol uses it.
export const fromRawHeaders = (rawHeaders: ReadonlyArray<string>): Metadata.Metadata => {
  const entries: Array<readonly [string, string]> = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ""
    if (isMetadata(name)) entries.push([name, rawHeaders[index + 1] ?? ""])
  }
  return Metadata.make(entries)
}

const isMetadata = (name: string): boolean => !name.startsWith(":") && !name.endsWith("-bin")

export const fromHeaders = (headers: IncomingHttpHeaders): Metadata.Metadata =>
  Metadata.make(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || !isMetadata(name) ? [] : [[name, String(value)] as const]
    )
  )
