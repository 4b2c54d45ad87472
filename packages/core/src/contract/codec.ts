// Arguments, results and items of a contract to and from JSON, for the typed client and for the host.
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { ValuePath } from "../protocol/DriverError.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import type * as DriverMethod from "./DriverMethod.ts"
import * as mismatch from "./mismatch.ts"

// Schemas encode optional properties that are undefined as such; on the wire they are absent. The copy of a value that
// contains itself contains itself too, for the wire's codec to refuse.
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
    // An assignment of `__proto__` would set the prototype.
    Object.defineProperty(copy, key, {
      value: withoutUndefined(item, copies),
      configurable: true,
      enumerable: true,
      writable: true
    })
  }
  return copy
}

// What encoding yields is checked for being JSON when it is written to the wire, with its path. The wire has no undefined,
// so null stands for one that a schema has.
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

// As decodeExactly, but a null that the schema does not accept is read as undefined, where it accepts that.
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
