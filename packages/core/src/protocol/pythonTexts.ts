// Recognizes error texts of Python exporters that no status code distinguishes, and adds advice to them. No other module reads the
// texts of a peer. Apart from the advice, the texts decide only whether a session has ended (`isExporterGone`).
import type { GrpcCode } from "../grpc/GrpcStatus.ts"
import type { CallKind } from "./callSite.ts"

export interface Failure {
  readonly kind: CallKind
  readonly method: string
  readonly code: GrpcCode
  readonly details: string
}

interface Known {
  readonly codes: ReadonlyArray<GrpcCode>
  readonly text: RegExp
  readonly advice: (failure: Failure, groups: ReadonlyArray<string>) => string
}

// The other kinds of calls to try when the marker of a driver's method is missing (protocol.md 4.1).
const others: Record<CallKind, string> = {
  call: "`streamingCall` or `stream`",
  streamingCall: "`call` or `stream`",
  stream: "`call` or `streamingCall`",
  resource: "`call`"
}

const kinds: Record<CallKind, string> = {
  call: "call",
  streamingCall: "streaming call",
  stream: "byte stream",
  resource: "transfer"
}

const uuid = "UUID\\('[0-9a-f-]{36}'\\)"

// The number of arguments of a Python method, without `self`.
const argumentCount = (text: string): string => {
  const count = Number(text) - 1
  return count === 0 ? "no arguments" : count === 1 ? "1 argument" : `${count} arguments`
}

const known: ReadonlyArray<Known> = [
  {
    codes: ["NOT_FOUND"],
    text: /^method .* missing marker marker_\w+$/,
    advice: ({ kind, method }) =>
      `\`${method}\` is not a ${kinds[kind]} of this driver: try ${
        others[kind]
      }; if neither works, the driver does not ` +
      "export it"
  },
  {
    codes: ["UNKNOWN"],
    text: new RegExp(`^${uuid}$`),
    advice: () =>
      "the driver has no such resource: a handle works for one call, to the driver it was opened with, while its scope is " +
      "open; open a new one for each call"
  },
  {
    codes: ["UNKNOWN"],
    text: new RegExp(`^Unexpected <class 'KeyError'>: ${uuid}$`),
    advice: () => "the exporter no longer has this driver: connect again"
  },
  {
    codes: ["UNKNOWN"],
    text: /^Unexpected <class '(?:[\w.]+\.)?(\w+)'>/,
    advice: ({ kind }, [name = ""]) =>
      kind === "stream"
        ? `Python's ${name} was raised while the driver opened its device; the exporter's log has more`
        : `Python's ${name} was raised in the exporter, before the driver's method ran; the exporter's log has more`
  },
  {
    codes: ["UNKNOWN"],
    text: /takes (\d+) positional arguments? but (\d+) (?:was|were) given/,
    advice: (_, [taken = "", given = ""]) =>
      `the method takes ${argumentCount(taken)} and got ${Number(given) - 1}; Python counts \`self\``
  },
  {
    codes: ["UNKNOWN"],
    text: /takes from (\d+) to (\d+) positional arguments but (\d+) were given/,
    advice: (_, [least = "", most = "", given = ""]) =>
      `the method takes ${Number(least) - 1} to ${argumentCount(most)} and got ${Number(given) - 1}; ` +
      "Python counts `self`"
  },
  {
    codes: ["UNKNOWN"],
    text: /missing \d+ required positional arguments?: (.+)$/,
    advice: (_, [names = ""]) => `the call is missing these arguments, in this order: ${names}`
  },
  {
    codes: ["INVALID_ARGUMENT"],
    text: /^\d+ validation errors? for tagged-union/,
    advice: () => "an argument is not a resource: pass the handle of `driver.resource`, or `Resource.presigned`"
  },
  {
    codes: ["INVALID_ARGUMENT"],
    text: /^\d+ validation errors? for /,
    advice: ({ details }) => {
      // Python counts the arguments from `self`.
      const places = Array.from(details.matchAll(/^(\d+)(?=[.\n])/gm), ([place]) => `arguments[${Number(place) - 1}]`)
      return places.length === 0
        ? "the second line names what the driver refused"
        : `the driver refused ${Array.from(new Set(places)).join(" and ")}`
    }
  },
  {
    codes: ["UNKNOWN"],
    text: /'float' object cannot be interpreted as an integer|not float$|integer argument expected, got float/,
    advice: () =>
      "every number arrives in Python as a float, and this method needs an int: the driver has to convert it"
  },
  {
    codes: ["RESOURCE_EXHAUSTED"],
    text: /message larger than max \(\d+ vs\. \d+\)/,
    advice: () => "a message holds at most 4 MiB; lend the bytes as a resource, or split them over several calls"
  },
  {
    codes: ["UNAUTHENTICATED"],
    text: /passphrase/,
    advice: () => "connect with the exporter's passphrase (option `passphrase`, or JMP_GRPC_PASSPHRASE)"
  },
  {
    codes: ["FAILED_PRECONDITION"],
    text: /^Exporter not ready for driver calls/,
    advice: () => "wait with the connection's `awaitReady`"
  },
  {
    codes: ["UNKNOWN"],
    text: /^(?:Already at end of stream|End of stream already reached)$/,
    advice: () =>
      "Python exporters decode a single compressed stream, but the content is several in a row: compress it as one"
  },
  {
    codes: ["UNKNOWN", "INTERNAL"],
    text: /while decompressing data|^Input format not supported by decoder|^Invalid data stream/,
    advice: () => "the content is not encoded as the resource's `contentEncoding` says"
  },
  {
    codes: ["UNKNOWN"],
    text: /^Presigned HTTP \w+ request failed: status=/,
    advice: () => "the server refused the exporter: has the URL expired, or is it for another method or other headers?"
  },
  {
    codes: ["UNKNOWN", "DEADLINE_EXCEEDED"],
    text: /^Presigned HTTP /,
    advice: () => "the exporter requests the URL, not this program, so the exporter must be able to reach the server"
  },
  {
    codes: ["ABORTED"],
    text: /^RouterStream: aclose$/,
    advice: () => "the driver's byte stream broke; the exporter's log says why"
  },
  {
    codes: ["UNKNOWN"],
    text: /^Stream removed/,
    advice: () => "the exporter went away during the call"
  },
  {
    codes: ["UNKNOWN"],
    text: /^'[^']*'$/,
    advice: () => "Python raised a KeyError: the driver has nothing by this name"
  }
]

// Returns what to do about a failure that the peer reports, if it is known.
export const advice = (failure: Failure): string | undefined => {
  for (const { advice, codes, text } of known) {
    const match = codes.includes(failure.code) ? text.exec(failure.details) : null
    if (match !== null) return advice(failure, match.slice(1))
  }
  return undefined
}

// Whether a failure means that the exporter is gone or is shutting down. The session has then ended too (protocol.md 9.3).
export const isExporterGone = ({ code, details }: Pick<Failure, "code" | "details">): boolean =>
  code === "UNAVAILABLE" || code === "CANCELLED" || code === "DEADLINE_EXCEEDED" ||
  code === "UNKNOWN" && details.includes("Stream removed")
