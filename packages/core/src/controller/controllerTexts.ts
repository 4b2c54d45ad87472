// Recognizes failures that the controller distinguishes by text alone: it reports most of them as UNKNOWN. No other file reads the
// controller's texts. When the code is specific, the code decides. (protocol.md 12.1, 12.3 and 12.5.)
import type { GrpcCode, GrpcStatusError } from "../grpc/GrpcStatus.ts"
import * as connectFailure from "../transport/connectFailure.ts"
import type { ControllerReason } from "./controllerError.ts"

interface Known {
  readonly codes: ReadonlyArray<GrpcCode>
  readonly text: RegExp
  readonly reason: ControllerReason
}

const known: ReadonlyArray<Known> = [
  // Authentication. A controller that has just started cannot verify tokens yet.
  { codes: ["UNKNOWN"], text: /oidc: authenticator not initialized/, reason: "Starting" },
  { codes: ["UNKNOWN", "UNAUTHENTICATED"], text: /token is expired/, reason: "TokenExpired" },
  { codes: ["UNKNOWN"], text: /^(failed to authenticate token|oidc: )/, reason: "Unauthenticated" },
  {
    codes: ["INVALID_ARGUMENT"],
    text: /^(malformed authorization header|multiple authorization headers)$/,
    reason: "Unauthenticated"
  },
  {
    codes: ["INVALID_ARGUMENT"],
    text:
      /^(object kind mismatch|resource name required for pre-existing authentication|(missing|multiple) metadata: )/,
    reason: "Unauthenticated"
  },
  { codes: ["UNKNOWN"], text: /^client \S+: clients\.jumpstarter\.dev ".*" not found$/, reason: "UnknownClient" },
  { codes: ["UNKNOWN"], text: /^exporter \S+: exporters\.jumpstarter\.dev ".*" not found$/, reason: "UnknownExporter" },
  { codes: ["INTERNAL"], text: /^unable to update exporter: .* is invalid: /, reason: "Invalid" },
  // Leases.
  { codes: ["UNKNOWN"], text: /^((Update|Delete)Lease )?permission denied$/, reason: "NotYours" },
  { codes: ["UNKNOWN"], text: /\.jumpstarter\.dev ".*" already exists$/, reason: "AlreadyExists" },
  { codes: ["UNKNOWN"], text: /\.jumpstarter\.dev ".*" not found$/, reason: "NotFound" },
  { codes: ["UNKNOWN"], text: /\.jumpstarter\.dev ".*" is invalid: /, reason: "Invalid" },
  {
    codes: ["UNKNOWN"],
    text:
      /^(failed to parse label selector|invalid selector|unsupported label selector operator|invalid continue token|invalid resource name|empty lease name|duration must be positive|duration is required)/,
    reason: "Invalid"
  },
  { codes: ["UNKNOWN"], text: /^duration conflicts with begin_time and end_time$/, reason: "NotExtendable" },
  { codes: ["UNKNOWN"], text: /^cannot update BeginTime: lease has already started$/, reason: "AlreadyStarted" },
  { codes: ["UNKNOWN"], text: /^cannot transfer lease: lease has not started yet$/, reason: "NotActive" },
  { codes: ["UNKNOWN"], text: /^cannot transfer lease: lease has already ended$/, reason: "Ended" },
  { codes: ["UNKNOWN"], text: /^cannot transfer lease to client in different namespace$/, reason: "Invalid" },
  { codes: ["FAILED_PRECONDITION"], text: /has already been released$/, reason: "AlreadyReleased" },
  // Dial.
  { codes: ["UNKNOWN"], text: /^lease not active$/, reason: "NotActive" },
  { codes: ["FAILED_PRECONDITION"], text: /not ready/, reason: "NotReady" },
  { codes: ["FAILED_PRECONDITION"], text: /^exporter is offline$/, reason: "ExporterOffline" },
  { codes: ["FAILED_PRECONDITION"], text: /^exporter (before|after)Lease hook failed$/, reason: "HookFailed" },
  { codes: ["UNAVAILABLE"], text: /^exporter is not listening/, reason: "NotListening" },
  { codes: ["RESOURCE_EXHAUSTED"], text: /^listener buffer full/, reason: "Busy" }
]

const byCode: Partial<Record<GrpcCode, ControllerReason>> = {
  INVALID_ARGUMENT: "Invalid",
  OUT_OF_RANGE: "Invalid",
  DEADLINE_EXCEEDED: "TimedOut",
  NOT_FOUND: "NotFound",
  ALREADY_EXISTS: "AlreadyExists",
  PERMISSION_DENIED: "PermissionDenied",
  UNIMPLEMENTED: "Unsupported",
  UNAVAILABLE: "Unavailable",
  UNAUTHENTICATED: "Unauthenticated"
}

/** Returns the reason of a status, from the controller or from the transport. */
export const reasonOf = ({ cause, code, details, origin }: GrpcStatusError): ControllerReason => {
  if (origin === "peer") {
    return known.find((one) => one.codes.includes(code) && one.text.test(details))?.reason ?? byCode[code] ?? "Failed"
  }
  if (connectFailure.isLasting(cause)) return "Untrusted"
  switch (code) {
    case "UNAVAILABLE":
      return "Unavailable"
    case "INVALID_ARGUMENT":
      return "Invalid"
    default:
      return "Failed"
  }
}

const maxDetails = 1_000

/** Returns details to show: without control characters, and without the stack trace of a panic in the controller. */
export const shownDetails = (details: string): string => {
  const [first = ""] = details.split(
    /\s*\n\s*goroutine \d+ \[|\s*goroutine \d+ \[running\]|\s*runtime\/debug\.Stack/,
    1
  )
  const line = first.startsWith("panic caught: ") ? first.split("\n", 1)[0] ?? "" : first
  const shown = line.trim().replace(
    /(?!\n)\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`
  )
  return shown.length <= maxDetails
    ? shown
    : `${shown.slice(0, maxDetails)}… (${shown.length - maxDetails} more characters)`
}
