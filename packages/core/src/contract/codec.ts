// Converts arguments, results and items of a contract to and from JSON, for the typed client and for the host.
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { ValuePath } from "../protocol/DriverError.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import type * as DriverMethod from "./DriverMethod.ts"
import * as mismatch from "./mismatch.ts"

// Schemas keep optional properties that are undefined; on the wire they are absent. The copy of a value that contains
// itself also contains itself, so that the wire's codec refuses it.
const withoutUndefined = (value: unknown, copies: Map<unknown, unknown> = new Map()): unknown => {
  if (copies.has(value)) return copies.get(value)
  if (Array.isArray(value)) {
    const copy: Array<unknown> = []
    copies.set(value, copy)
    for (const item of value) copy.push(withoutUndefined(item, copies))
    return copy
  }
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  const copy = {}
  copies.set(value, copy)
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue
    // Assigning `__proto__` would set the prototype.
    Object.defineProperty(copy, key, {
      value: withoutUndefined(item, copies),
      configurable: true,
      enumerable: true,
      writable: true
    })
  }
  return copy
}

// The encoded value is checked to be JSON when it is written to the wire, with its path. The wire has no undefined, so null
// replaces an undefined that a schema allows.
export const encode = (
  schema: DriverMethod.AnySchema,
  value: unknown,
  prefix: ValuePath
): Either.Either<JsonValue, mismatch.Mismatch> =>
  Either.mapBoth(Schema.encodeUnknownEither(schema)(value), {
    onLeft: ({ issue }) => mismatch.ofType(issue, prefix),
    onRight: (encoded) => encoded === undefined ? null : withoutUndefined(encoded) as JsonValue
  })

export const decodeExactly = (
  schema: DriverMethod.AnySchema,
  value: unknown,
  prefix: ValuePath
): Either.Either<unknown, mismatch.Mismatch> =>
  Either.mapLeft(Schema.decodeUnknownEither(schema)(value), ({ issue }) => mismatch.ofEncoded(issue, prefix))

// Like `decodeExactly`, but reads a null that the schema refuses as undefined, if the schema accepts undefined.
export const decode = (
  schema: DriverMethod.AnySchema,
  value: unknown,
  prefix: ValuePath
): Either.Either<unknown, mismatch.Mismatch> => {
  const decoded = decodeExactly(schema, value, prefix)
  return value === null && Either.isLeft(decoded)
    ? Either.mapLeft(decodeExactly(schema, undefined, prefix), () => decoded.left)
    : decoded
}
