// The metadata that opens RouterService.Stream on an exporter and answers it (protocol.md 5.1, 6.1, 6.2).
import * as Schema from "effect/Schema"

export const requestKey = "request"

export const resourceKey = "resource"

export const acceptEncodingKey = "x_jmp_accept_encoding"

// Sent by hosts of ours, which end the RPC of a stream when both directions have ended. Python's leave that to the client
// (protocol.md 5.3), and nobody minds a key that it does not know.
export const hostKey = "x-jumpstarter-host"

export const hostName = "effect-jumpstarter"

const encoding = Schema.optionalWith(Schema.NullOr(Schema.String), { default: () => null })

export const StreamRequest = Schema.parseJson(Schema.Union(
  Schema.Struct({ kind: Schema.Literal("driver"), uuid: Schema.String, method: Schema.String }),
  Schema.Struct({ kind: Schema.Literal("resource"), uuid: Schema.String, x_jmp_content_encoding: encoding })
))

export type StreamRequest = typeof StreamRequest.Type

const encode = Schema.encodeSync(StreamRequest)

// Metadata is ASCII, and JSON can say everything in it.
export const toMetadata = (request: StreamRequest): string =>
  encode(request).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

export const ClientStreamHandle = Schema.Struct({
  kind: Schema.Literal("client_stream"),
  uuid: Schema.String,
  x_jmp_content_encoding: encoding
})

export type ClientStreamHandle = typeof ClientStreamHandle.Encoded

/**
 * A request for the exporter to make, instead of bytes that come from here: what a driver reads is fetched from a server,
 * or what it writes put there. It is plain data, to be passed to a call as an argument (`protocol.md` 6.4).
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

// What HTTP allows. A client that lets others through would say their values in its error, and those can be secret.
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
