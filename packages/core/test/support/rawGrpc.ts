// gRPC by hand over node:http2, to send requests that no client would send.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http2 from "node:http2"
import type { Duplex } from "node:stream"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"

export const rpc = {
  report: "/jumpstarter.v1.ExporterService/GetReport",
  logs: "/jumpstarter.v1.ExporterService/LogStream",
  call: "/jumpstarter.v1.ExporterService/DriverCall",
  streamingCall: "/jumpstarter.v1.ExporterService/StreamingDriverCall",
  stream: "/jumpstarter.v1.RouterService/Stream"
}

/** A message with its gRPC prefix. */
export const prefixed = (message: Uint8Array, options: { readonly flag?: number; readonly length?: number } = {}) => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt8(options.flag ?? 0)
  prefix.writeUInt32BE(options.length ?? message.length, 1)
  return Buffer.concat([prefix, message])
}

export const varint = (value: number): ReadonlyArray<number> =>
  value < 0x80 ? [value] : [value & 0x7f | 0x80, ...varint(value >>> 7)]

/** A length-delimited protobuf field. */
export const field = (number: number, content: Uint8Array | string): Uint8Array => {
  const bytes = Buffer.from(content)
  return Buffer.concat([Uint8Array.of(number << 3 | 2, ...varint(bytes.length)), bytes])
}

/** A DriverCallRequest with its prefix; `args` are bytes of google.protobuf.Value. */
export const callOf = (uuid: string, method: string, ...args: ReadonlyArray<Uint8Array>) =>
  prefixed(Buffer.concat([field(1, uuid), field(2, method), ...args.map((arg) => field(3, arg))]))

/** Encoded values. */
export const text = (value: string): Uint8Array => field(3, value)

export const number = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(9, 2 << 3 | 1)
  bytes.writeDoubleLE(value, 1)
  return bytes
}

/** The metadata that opens a stream, as JSON in ASCII. */
export const opening = (request: object): string =>
  JSON.stringify(request).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

export interface Request {
  readonly path: string
  readonly method?: string | undefined
  readonly headers?: http2.OutgoingHttpHeaders | undefined
  readonly body?: Uint8Array | undefined
  /** Leaves the request half-open. */
  readonly open?: boolean | undefined
}

/** The outcome of a request. Parts that did not arrive are absent. */
export interface Answer {
  readonly http?: number | undefined
  readonly code?: GrpcStatus.GrpcCode | undefined
  readonly details?: string | undefined
  /** The error code of the reset, unless the stream ended. */
  readonly reset?: number | undefined
}

export type Session = http2.ClientHttp2Session

export const connect = (
  address: string,
  options: http2.SecureClientSessionOptions = {}
): Effect.Effect<Session, never, Scope.Scope> =>
  Effect.acquireRelease(
    // Node resets the streams of a client that uploads more than its session may hold.
    Effect.sync(() => http2.connect(address, { maxSessionMemory: 1_000, ...options }).on("error", () => {})),
    // Destroying an uploading session inside an event of one of its streams aborts Node 20 and 22.
    (session) =>
      Effect.async<void>((resume) => {
        setImmediate(() => {
          session.destroy()
          resume(Effect.void)
        })
      })
  )

/** Speaks HTTP/2 on a connection. */
export const over = (
  dial: Effect.Effect<Duplex, never, Scope.Scope>,
  options: http2.SecureClientSessionOptions = {}
): Effect.Effect<Session, never, Scope.Scope> =>
  Effect.flatMap(dial, (line) => connect("http://localhost", { createConnection: () => line, ...options }))

/** Sends a request without waiting for the response. */
export const begin = (session: Session, request: Request): http2.ClientHttp2Stream => {
  const stream = session.request({
    ":method": request.method ?? "POST",
    ":path": request.path,
    "content-type": "application/grpc",
    te: "trailers",
    ...request.headers
  }, { endStream: false })
  // Writing to a request fails if the server refused it at once, as expected.
  stream.on("error", () => {})
  if (request.body !== undefined) stream.write(request.body)
  if (request.open !== true) stream.end()
  return stream
}

/** Sends a request, and waits for the end of its response. */
export const ask = (session: Session, request: Request): Effect.Effect<Answer> =>
  Effect.async((resume) => {
    const stream = begin(session, request)
    let headers: http2.IncomingHttpHeaders = {}
    stream
      .on("response", (response) => {
        headers = { ...response }
      })
      .on("trailers", (trailers) => {
        headers = { ...headers, ...trailers }
      })
      // Not within the event, see src/transport/http/ending.
      .on("end", () => setImmediate(() => stream.close()))
      .on("close", () => {
        const message = headers["grpc-message"]
        const status = headers["grpc-status"]
        resume(Effect.succeed({
          ...(headers[":status"] === undefined ? {} : { http: Number(headers[":status"]) }),
          ...(status === undefined ? {} : { code: GrpcStatus.codeFromNumber(Number(status)) }),
          ...(typeof message === "string" ? { details: decodeURIComponent(message) } : {}),
          ...(stream.rstCode === 0 ? {} : { reset: stream.rstCode })
        }))
      })
      .resume()
    return Effect.sync(() => stream.destroy())
  })
