// What a failed command prints, in one line, and the code that its process exits with.
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as ConfigError from "effect/ConfigError"
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"
import * as visible from "./visible.ts"

/** The exit codes; docs/cli.md says what they mean. */
export const codes = {
  refused: 1,
  usage: 2,
  connection: 3,
  lease: 4,
  unmet: 5,
  local: 6,
  defect: 70,
  interrupted: 130
} as const

export type Kind = keyof typeof codes

/** A failure of the command line itself. The message names the place, the cause and the way out. */
export class CommandError extends Data.TaggedError("CommandError")<{
  readonly kind: Kind
  readonly message: string
}> {}

export const usage = (message: string): CommandError => new CommandError({ kind: "usage", message })

/** The end of a command whose own program has said what is wrong, such as the command of a lease. */
export class ExitCode extends Data.TaggedError("ExitCode")<{ readonly code: number }> {}

const kinds: Readonly<Record<string, Kind>> = {
  DriverNotFound: "usage",
  InterfaceMismatch: "usage",
  InvalidAddress: "usage",
  InvalidCommand: "usage",
  ConnectError: "connection",
  ConnectionLost: "connection",
  ExporterNotReady: "connection",
  StatusNotReached: "connection",
  EndSessionError: "connection",
  ClientConfigError: "lease",
  ControllerError: "lease",
  LeaseEnded: "lease",
  LeaseError: "lease",
  EmptyImage: "unmet",
  ExpectError: "unmet",
  FlasherHashMismatch: "unmet",
  ReplayError: "unmet",
  BadArgument: "local",
  ContentEncodingError: "local",
  GrpcServerError: "local",
  ListenError: "local",
  RecordError: "local",
  RecordingError: "local",
  SizeMismatch: "local",
  SystemError: "local",
  TransferTooLarge: "local"
}

const ways: Readonly<Record<string, string>> = {
  ConnectError: "`effect-jumpstarter doctor` says more",
  ConnectionLost: "ask the device for its state before you repeat the call"
}

const kindOf = (error: object): Kind => {
  if (error instanceof CommandError) return error.kind
  if (ConfigError.isConfigError(error)) return "usage"
  const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : ""
  const origin = Predicate.hasProperty(error, "origin") ? error.origin : undefined
  if (tag === "InvalidArgument" && origin === "client") return "usage"
  if (tag === "GrpcStatusError" && origin === "transport") return "connection"
  if (
    tag === "ConnectionLost" && Predicate.hasProperty(error, "cause") && Predicate.isTagged(error.cause, "LeaseEnded")
  ) {
    return "lease"
  }
  return kinds[tag] ?? "refused"
}

export interface Failure {
  /** Undefined when there is nothing to add to what was printed. */
  readonly line: string | undefined
  readonly code: number
  /** What `code` means. */
  readonly kind?: Kind | undefined
  /** The tag of the error, such as `DriverError`. */
  readonly tag?: string | undefined
}

// What people read of a file that cannot be used, without the name of the function that found out.
const reasons: Readonly<Record<string, string>> = {
  NotFound: "there is no such file or directory",
  PermissionDenied: "the permissions of the file or of its directory forbid this"
}

const textOf = (error: object): string => {
  if (Predicate.isTagged(error, "SystemError") && "reason" in error && "pathOrDescriptor" in error) {
    const reason = reasons[String(error.reason)]
    if (reason !== undefined) return `${String(error.pathOrDescriptor)}: ${reason}`
  }
  return error instanceof Error ? error.message : String(error)
}

// A message of several lines becomes one.
const oneLine = (message: string): string =>
  visible.line(message.trim().replaceAll(/(:?)\s*\r?\n\s*(?:- )?/g, (_, colon) => colon === "" ? "; " : ": "))

const ofError = (error: unknown): Failure => {
  if (error instanceof ExitCode) return { line: undefined, code: error.code }
  if (!Predicate.isObject(error)) return { line: oneLine(String(error)), code: codes.refused, kind: "refused" }
  const message = textOf(error)
  const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : undefined
  const way = tag === undefined ? undefined : ways[tag]
  const kind = kindOf(error)
  return { line: oneLine(way === undefined ? message : `${message}; ${way}`), code: codes[kind], kind, tag }
}

/** The message of a cause, without advice. */
export const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return oneLine(error instanceof Error ? error.message : String(error))
}

export const of = (cause: Cause.Cause<unknown>): Failure => {
  const failures = Chunk.toReadonlyArray(Cause.failures(cause))
  if (failures.length > 0) return ofError(failures[0])
  if (Cause.isInterruptedOnly(cause)) return { line: undefined, code: codes.interrupted }
  const [defect] = Chunk.toReadonlyArray(Cause.defects(cause))
  // A recording is checked when its scope closes, where nothing can fail.
  if (Predicate.isTagged(defect, "ReplayError") || Predicate.isTagged(defect, "RecordingError")) return ofError(defect)
  return {
    line: `a defect of effect-jumpstarter: ${oneLine(Cause.pretty(cause))}`,
    code: codes.defect,
    kind: "defect"
  }
}
