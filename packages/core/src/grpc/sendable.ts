// Checks the path and the metadata of an RPC before they are sent. A key that is not an HTTP token makes Node destroy the whole
// connection, and proxies and peers drop or refuse what HTTP/2 cannot carry.
import * as Either from "effect/Either"
import * as GrpcStatus from "./GrpcStatus.ts"
import * as Metadata from "./Metadata.ts"

const isKey = (key: string): boolean => /^[0-9a-z_.-]+$/.test(key)

// Printable ASCII that neither begins nor ends with a space.
const isValue = (value: string): boolean => /^(?:[!-~](?:[ -~]*[!-~])?)?$/.test(value)

// Headers that some transport sends itself. A program's values for them are ignored.
const ours = new Set([
  ":authority",
  ":method",
  ":path",
  ":scheme",
  ":status",
  "content-type",
  "grpc-accept-encoding",
  "grpc-encoding",
  "grpc-message",
  "grpc-status",
  "grpc-status-details-bin",
  "te"
])

// Headers about the connection or the body, which HTTP/2 and gRPC express in other ways.
const ofHttp1 = new Set([
  "connection",
  "content-length",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade"
])

// Says why an entry cannot be sent. The text does not show the value, which may be a passphrase.
const problem = (key: string, value: string | undefined): string | undefined => {
  const name = `the metadata key ${JSON.stringify(key)}`
  return !isKey(key)
    ? `${name} cannot be sent: keys consist of lower-case letters, digits, "-", "_" and "."`
    : key.startsWith("grpc-") || ofHttp1.has(key)
    ? `${name} cannot be sent: ${key.startsWith("grpc-") ? "gRPC" : "HTTP"} reserves it`
    : key.endsWith("-bin")
    ? `${name} cannot be sent: binary metadata (-bin) is not supported, use text under another key`
    : typeof value !== "string" || !isValue(value)
    ? `the value of ${
      JSON.stringify(key)
    } has characters that metadata cannot carry: only printable ASCII can be sent, `
      + "without spaces at the ends"
    : undefined
}

/** Returns the metadata to send, without the headers that transports send themselves, or why it cannot be sent. */
export const metadata = (given: Metadata.Metadata): Either.Either<Metadata.Metadata, string> => {
  const sent: Array<readonly [string, string]> = []
  for (const [key, value] of given.entries) {
    if (ours.has(key)) continue
    const why = problem(key, value)
    if (why !== undefined) return Either.left(why)
    sent.push([key, value])
  }
  return Either.right(Metadata.make(sent))
}

/** The same for the serving side, where metadata that cannot be sent is the handler's mistake. */
export const served = (given: Metadata.Metadata): Either.Either<Metadata.Metadata, GrpcStatus.GrpcStatusError> =>
  Either.mapLeft(metadata(given), (details) => GrpcStatus.make("INTERNAL", details))

/** Whether a path can be sent. HTTP/2 sends it as a header. */
export const isRpc = (path: string): boolean => /^\/[!-.0-~]+\/[!-.0-~]+$/.test(path)
