// How what a program does differs from what was recorded, in words.
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

// Resources without what tells one from the other, which is a uuid.
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

// Where two texts differ that are too long to be shown whole.
const betweenTexts = (recorded: string, came: string, where: string): string => {
  let at = 0
  while (recorded[at] === came[at]) at++
  const part = (value: string) =>
    at >= value.length
      ? "its end"
      : `${JSON.stringify(value.slice(at, at + around))}${at + around < value.length ? "..." : ""}`
  return `${where} at character ${at}: ${part(recorded)} was recorded, ${part(came)} came`
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
      : `${where}: ${show(recorded)} was recorded, ${show(came)} came`
  ]
}

export const sameArguments = (a: Described, b: Described): boolean => differences(a.args, b.args, []).length === 0

// Where the arguments of two calls differ, each place in a line; empty when they are equal but for the uuids of resources.
export const between = (
  recorded: ReadonlyArray<JsonValue>,
  came: ReadonlyArray<JsonValue>
): ReadonlyArray<string> => differences(nameless(recorded), nameless(came), [])

export const limited = (differences: ReadonlyArray<string>): ReadonlyArray<string> =>
  differences.length <= maxDifferences
    ? differences
    : [...differences.slice(0, maxDifferences), `and ${differences.length - maxDifferences} more`]

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

// Bytes as text, as much of them as a line has room for.
export const excerpt = (bytes: Uint8Array, at = 0): string => {
  const part = bytes.subarray(at, at + around)
  return part.length === 0
    ? "nothing"
    : `${JSON.stringify(decoder.decode(part))}${at + around < bytes.length ? "..." : ""}`
}

// Where bytes differ from those that were recorded at the same place; none when they are equal as far as they go.
export const ofBytes = (
  recorded: Uint8Array,
  came: Uint8Array,
  offset: number
): string | undefined => {
  const length = Math.min(recorded.length, came.length)
  for (let index = 0; index < length; index++) {
    if (recorded[index] !== came[index]) {
      return `at byte ${offset + index}, ${excerpt(recorded, index)} was recorded, ${excerpt(came, index)} came`
    }
  }
  return undefined
}
