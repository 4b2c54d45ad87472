// Explains in words why a connection was lost. Node and nghttp2 report numbers that only the HTTP/2 specification explains.
import { constants } from "node:http2"

// The GOAWAY frame with which a peer ends its connection.
export interface GoAway {
  readonly code: number
  /** HTTP/2 guarantees that the peer did nothing for streams with a higher number. */
  readonly lastStream: number
  readonly text: string
}

// The details of a connection that ended without a GOAWAY or an error.
export const dropped = "Connection dropped"

const neverBegun = "the exporter refused the RPC before it started, so nothing was done"

const names: ReadonlyArray<string> = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED"
]

// An HTTP/2 error code with its name.
const nameOf = (code: number): string => `${code} (${names[code] ?? "unknown"})`

const advice = (code: number): string => {
  switch (code) {
    case constants.NGHTTP2_INTERNAL_ERROR:
      return "; an exporter on Node 20 does this when more than a thousand streaming calls are ended early in a short time: " +
        "read them to their end, or run the exporter on a later Node"
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return "; the exporter limits something that this client did too often: ending calls early, or sending keepalive pings"
    case constants.NGHTTP2_INADEQUATE_SECURITY:
      return "; it asks for TLS, or for a newer version of it"
    case constants.NGHTTP2_HTTP_1_1_REQUIRED:
      return "; gRPC needs HTTP/2, but this server wants HTTP/1.1: is it a proxy?"
    case constants.NGHTTP2_PROTOCOL_ERROR:
    case constants.NGHTTP2_FLOW_CONTROL_ERROR:
    case constants.NGHTTP2_FRAME_SIZE_ERROR:
    case constants.NGHTTP2_COMPRESSION_ERROR:
      return "; it reports a mistake in what it received: does a proxy in between change it?"
    default:
      return ""
  }
}

// The details of a connection that the peer closed.
export const closed = ({ code, text }: GoAway): string =>
  `the exporter closed the connection with error code ${nameOf(code)}${text === "" ? "" : ` "${text}"`}${advice(code)}`

// The details of an RPC that the peer never began, with the peer's GOAWAY if it sent one. The status is `UNAVAILABLE` of origin
// `client`. Transports give that status to no other failure, and the RPC may be sent again.
export const unseen = (goAway?: GoAway): string =>
  goAway === undefined || goAway.code === constants.NGHTTP2_NO_ERROR ? neverBegun : `${neverBegun}; ${closed(goAway)}`

// The details of a connection that this side closed because of a peer's mistake.
export const gaveUp = (why: string): string =>
  `the peer broke the rules of HTTP/2, so this side closed the connection (${why}); an error text of more than 64 KiB ` +
  "causes this, and so does a proxy that does not speak HTTP/2; the next call connects again"

export const explain = (error: Error | undefined, goAway: GoAway | undefined): string => {
  if (error === undefined) return dropped
  switch ("code" in error ? error.code : undefined) {
    case "ERR_HTTP2_SESSION_ERROR":
      return goAway === undefined ? error.message : closed(goAway)
    case "ERR_HTTP2_ERROR":
      return gaveUp(error.message)
    default:
      return error.message
  }
}

// Explains the reset of a stream with a code that gRPC has no text for.
export const explainReset = (code: number): string => {
  const text = `Received RST_STREAM with code ${nameOf(code)}`
  switch (code) {
    case constants.NGHTTP2_PROTOCOL_ERROR:
      return `${text}; one side found a mistake in what the other sent: does a proxy in between change it?`
    case constants.NGHTTP2_INTERNAL_ERROR:
      return `${text}; the exporter or a proxy in between failed: check its log`
    default:
      return text
  }
}
