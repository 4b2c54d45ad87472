// The request and response metadata of RouterService.Stream on an exporter (protocol.md 5.1, 6.1, 6.2).
import * as Schema from "effect/Schema"

export const requestKey = "request"

export const resourceKey = "resource"

export const acceptEncodingKey = "x_jmp_accept_encoding"

// Hosts of this library send this key to say that they end the RPC of a stream when both directions have ended. Python hosts
// leave that to the client (protocol.md 5.3). Peers ignore keys that they do not know.
export const hostKey = "x-jumpstarter-host"

export const hostName = "effect-jumpstarter"

const encoding = Schema.optionalWith(Schema.NullOr(Schema.String), { default: () => null })

export const StreamRequest = Schema.parseJson(Schema.Union(
  Schema.Struct({ kind: Schema.Literal("driver"), uuid: Schema.String, method: Schema.String }),
  Schema.Struct({ kind: Schema.Literal("resource"), uuid: Schema.String, x_jmp_content_encoding: encoding })
))

export type StreamRequest = typeof StreamRequest.Type

// Metadata must be ASCII, so other characters become JSON escapes.
export const toMetadata = (request: StreamRequest): string =>
  JSON.stringify(request).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

export const ClientStreamHandle = Schema.Struct({
  kind: Schema.Literal("client_stream"),
  uuid: Schema.String,
  x_jmp_content_encoding: encoding
})

export type ClientStreamHandle = typeof ClientStreamHandle.Encoded

/**
 * An HTTP request that the exporter makes, in place of bytes that the client sends or receives. The exporter fetches what a driver
 * reads from a server (`GET`), or uploads what it writes (`PUT`). Pass it to a call as an argument; it is plain data
 * (`protocol.md` 6.4).
 *
 * @since 0.1.0
 * @category models
 */
export type PresignedRequest = {
  readonly kind: "presigned_request"
  readonly url: string
  readonly method: "GET" | "PUT"
  readonly headers: Readonly<Record<string, string>>
}

export const isPresigned = (value: unknown): value is PresignedRequest =>
  typeof value === "object" && value !== null && "kind" in value && value.kind === "presigned_request"

// The names and values that HTTP allows. An HTTP client that gets others shows the values in its error, and they may be secret.
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/

export const PresignedRequest: Schema.Schema<PresignedRequest> = Schema.Struct({
  kind: Schema.Literal("presigned_request"),
  url: Schema.String,
  method: Schema.Literal("GET", "PUT"),
  headers: Schema.Record({ key: Schema.String, value: Schema.String }).pipe(
    Schema.filter((headers) =>
      Object.entries(headers).every(([name, value]) => headerName.test(name) && headerValue.test(value))
    )
  )
})
