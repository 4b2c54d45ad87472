// Recognizes texts of grpc-js that no code distinguishes. No other module reads its texts. All statuses that grpc-js makes up for a
// call are in its subchannel-call.ts.
import type { GrpcCode, StatusScope } from "../../grpc/GrpcStatus.ts"
import { otherCertificate } from "../connectFailure.ts"

interface Known {
  readonly code: GrpcCode
  readonly text: RegExp
  readonly scope: StatusScope
}

const refusedStream = "Stream refused by server"

const known: ReadonlyArray<Known> = [
  { code: "UNAVAILABLE", text: /^(Connection dropped|(read|write) E[A-Z]+)$/, scope: "connection" },
  { code: "UNAVAILABLE", text: new RegExp(`^${refusedStream}$`), scope: "rpc" },
  { code: "CANCELLED", text: /^(Call cancelled|Cancelled on client)$/, scope: "rpc" },
  { code: "INTERNAL", text: /^(Received RST_STREAM with code \d+|Failed to decompress )/, scope: "rpc" },
  { code: "UNKNOWN", text: /^No status information received$/, scope: "rpc" },
  { code: "RESOURCE_EXHAUSTED", text: /^Bandwidth exhausted or memory limit exceeded$/, scope: "rpc" },
  { code: "PERMISSION_DENIED", text: /^Protocol not secure enough$/, scope: "rpc" }
]

/** Returns what failed, if grpc-js made up the status of a call. Other texts come from a peer that has answered. */
export const localScope = (code: GrpcCode, details: string): StatusScope | undefined =>
  known.find((one) => one.code === code && one.text.test(details))?.scope

/** Whether the peer never began the call (REFUSED_STREAM). */
export const isRefused = (details: string): boolean => details === refusedStream

/** Returns the HTTP status of a response that is not gRPC. */
export const httpStatusCode = (details: string): string | undefined =>
  /^Received HTTP status code (\d+)$/.exec(details)?.[1]

/** Whether a response was larger than this side accepts. */
export const isTooLarge = (code: GrpcCode, details: string): boolean =>
  code === "RESOURCE_EXHAUSTED" &&
  /^Received message (larger than max|that decompresses to a size larger than)/.test(details)

const lossText =
  /^Received RST_STREAM with code \d+ triggered by internal client error: (?:Session closed with error code (\d+)|(.*))$/

/** Returns why the connection was lost: the error code that the peer sent, or Node's message about a mistake of the peer. */
export const loss = (details: string): { readonly code: number } | { readonly mistake: string } | undefined => {
  const [isLoss, code, mistake = ""] = lossText.exec(details) ?? []
  return isLoss === undefined ? undefined : code === undefined ? { mistake } : { code: Number(code) }
}

// Node's error codes for texts without a code. The first match wins.
const connectCodes: ReadonlyArray<readonly [text: RegExp, code: string]> = [
  [/self[- ]signed certificate/, "DEPTH_ZERO_SELF_SIGNED_CERT"],
  [/unable to (verify|get)/, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  [/certificate signature failure/, "CERT_SIGNATURE_FAILURE"],
  [/certificate has expired/, "CERT_HAS_EXPIRED"],
  [/certificate is not yet valid/, "CERT_NOT_YET_VALID"],
  [
    /does not match certificate's altnames|Cert(ificate)? (does not contain|is empty)/,
    "ERR_TLS_CERT_ALTNAME_INVALID"
  ],
  [/a different certificate than on first use/, otherCertificate],
  [/^connect ENOENT/, "ENOENT"],
  [/^connect ECONNREFUSED/, "ECONNREFUSED"],
  [/^connect EACCES/, "EACCES"],
  [/^getaddrinfo |Name resolution failed/, "ENOTFOUND"],
  [/^Protocol error$/, "ERR_HTTP2_ERROR"],
  [/^(Client network socket disconnected before|Failed to connect$)/, "ECONNRESET"]
]

/** Returns why a connection could not be made, from grpc-js's summary of its attempts, with Node's code if it is known. */
export const connectFailure = (details: string): { readonly message: string; readonly code?: string | undefined } => {
  const message = details.replace(/^No connection established\. Last error: (?:Error: )?/, "")
    .replace(/\.? Resolution note: $/, "").replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/, "")
    .replace(/^(null|undefined)$/, "no connection could be established")
  return { message, code: connectCodes.find(([text]) => text.test(message))?.[1] }
}

/** Whether the message of `connectFailure` says that nice-grpc gave up an attempt to connect. */
export const isConnectTimeout = (message: string): boolean => /^Connection attempt timed out after \d+ms$/.test(message)
