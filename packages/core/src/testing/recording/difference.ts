// Describes in words how a program differs from its recording.
import { type CallSite, formatValuePath, type ValuePath } from "../../protocol/DriverError.ts"
import type { JsonValue } from "../../protocol/ProtobufValue.ts"
import type { Kind } from "../exporterCall.ts"
import { rewrite } from "./names.ts"

export interface Described extends Pick<CallSite, "driver" | "method"> {
  readonly kind: Kind
  readonly args: ReadonlyArray<JsonValue>
  readonly contentEncoding: string | null
}

const maxText = 120

const shorten = (text: string): string => text.length <= maxText ? text : `${text.slice(0, maxText)}...`

const isStruct = (value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const resource = "<resource>"

// Replaces resources with a placeholder, because their uuids differ between runs.
const nameless = (value: JsonValue): JsonValue =>
  rewrite(value, (value) => isStruct(value) && value["kind"] === "client_stream" ? resource : value)

const text = (value: JsonValue): string => {
  const named = nameless(value)
  return named === resource ? resource : JSON.stringify(named)
}

const show = (value: JsonValue | undefined): string => value === undefined ? "nothing" : shorten(text(value))

const list = (args: ReadonlyArray<JsonValue>): string => shorten(args.map(text).join(", "))

export const describe = ({ args, contentEncoding, driver, kind, method }: Described): string => {
  const where = `${driver === "" ? "(root)" : driver}.${method}`
  switch (kind) {
    case "call":
      return `call ${where}(${list(args)})`
    case "streamingCall":
      return `streaming call ${where}(${list(args)})`
    case "stream":
      return `stream ${where}`
    case "resource":
      return `resource for ${driver === "" ? "(root)" : driver}${
        contentEncoding === null ? "" : ` with encoding ${contentEncoding}`
      }`
    case "report":
      return "request for the report"
    case "status":
      return "request for the status"
    case "endSession":
      return "request to end the session"
    case "log":
      return "subscription to the log"
  }
}

const maxDifferences = 10

const around = 24

// Describes the first difference of two texts that are too long to show.
const betweenTexts = (recorded: string, came: string, where: string): string => {
  let at = 0
  while (recorded[at] === came[at]) at++
  const part = (value: string) =>
    at >= value.length
      ? "the end of the text"
      : `${JSON.stringify(value.slice(at, at + around))}${at + around < value.length ? "..." : ""}`
  return `${where} at character ${at}: recorded ${part(recorded)}, got ${part(came)}`
}

const differences = (
  recorded: JsonValue | undefined,
  came: JsonValue | undefined,
  path: ValuePath
): ReadonlyArray<string> => {
  if (recorded === came) return []
  if (Array.isArray(recorded) && Array.isArray(came)) {
    const length = Math.max(recorded.length, came.length)
    return Array.from({ length }, (_, index) => differences(recorded[index], came[index], [...path, index])).flat()
  }
  if (isStruct(recorded) && isStruct(came)) {
    const keys = new Set([...Object.keys(recorded), ...Object.keys(came)])
    const own = (value: { readonly [key: string]: JsonValue }, key: string) =>
      Object.hasOwn(value, key) ? value[key] : undefined
    return Array.from(keys, (key) => differences(own(recorded, key), own(came, key), [...path, key])).flat()
  }
  const where = `arguments${formatValuePath(path)}`
  return [
    typeof recorded === "string" && typeof came === "string" && Math.max(recorded.length, came.length) > maxText
      ? betweenTexts(recorded, came, where)
      : `${where}: recorded ${show(recorded)}, got ${show(came)}`
  ]
}

export const sameArguments = (a: Described, b: Described): boolean => differences(a.args, b.args, []).length === 0

// The differences between the arguments of two calls, one line each. Ignores the uuids of resources.
export const between = (
  recorded: ReadonlyArray<JsonValue>,
  came: ReadonlyArray<JsonValue>
): ReadonlyArray<string> => differences(nameless(recorded), nameless(came), [])

export const limited = (differences: ReadonlyArray<string>): ReadonlyArray<string> =>
  differences.length <= maxDifferences
    ? differences
    : [...differences.slice(0, maxDifferences), `and ${differences.length - maxDifferences} more`]

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

// Shows bytes as text, shortened to fit into a line.
export const excerpt = (bytes: Uint8Array, at = 0): string => {
  const part = bytes.subarray(at, at + around)
  return part.length === 0
    ? "nothing"
    : `${JSON.stringify(decoder.decode(part))}${at + around < bytes.length ? "..." : ""}`
}

// Describes the first difference from the recorded bytes at the same place; none when their common length is equal.
export const ofBytes = (
  recorded: Uint8Array,
  came: Uint8Array,
  offset: number
): string | undefined => {
  const length = Math.min(recorded.length, came.length)
  for (let index = 0; index < length; index++) {
    if (recorded[index] !== came[index]) {
      return `at byte ${offset + index}: recorded ${excerpt(recorded, index)}, got ${excerpt(came, index)}`
    }
  }
  return undefined
}
