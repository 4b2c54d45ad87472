// Arguments, results and items of a contract to and from JSON, for the typed client and for the host.
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { ValuePath } from "../DriverError.ts"
import type * as DriverMethod from "../DriverMethod.ts"
import type { JsonValue } from "../ProtobufValue.ts"

// Where a value is not what the contract says, and why.
export interface Mismatch {
  readonly path: ValuePath
  readonly reason: string
}

const mismatch = (prefix: ValuePath) => (error: ParseResult.ParseError): Mismatch => {
  const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
  return {
    path: [...prefix, ...(issue?.path ?? []).map((step) => typeof step === "number" ? step : String(step))],
    reason: issue?.message ?? error.message
  }
}

// Schemas encode optional properties that are undefined as such; on the wire they are absent.
const withoutUndefined = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, value]) => value === undefined ? [] : [[key, withoutUndefined(value)]])
  )
}

// What encoding yields is checked for being JSON when it is written to the wire, with its path.
export const encode = (
  schema: DriverMethod.AnySchema,
  value: unknown,
  prefix: ValuePath
): Either.Either<JsonValue, Mismatch> =>
  Either.mapBoth(Schema.encodeUnknownEither(schema)(value), {
    onLeft: mismatch(prefix),
    onRight: (encoded) => withoutUndefined(encoded) as JsonValue
  })

export const decode = (
  schema: DriverMethod.AnySchema,
  value: unknown,
  prefix: ValuePath
): Either.Either<unknown, Mismatch> => Either.mapLeft(Schema.decodeUnknownEither(schema)(value), mismatch(prefix))

export const isOptional = (
  argument: DriverMethod.Argument
): argument is DriverMethod.OptionalArgument<DriverMethod.AnySchema, unknown> =>
  Predicate.isTagged(argument, "OptionalArgument")

export const isResource = (argument: DriverMethod.Argument): argument is DriverMethod.ResourceArgument =>
  Predicate.isTagged(argument, "ResourceArgument")

// The count of a method's arguments in words.
export const arity = (args: DriverMethod.Arguments): string => {
  const required = args.filter((argument) => !isOptional(argument)).length
  const count = required === args.length ? String(required) : `${required} to ${args.length}`
  return `${count} argument${count === "1" ? "" : "s"}`
}
