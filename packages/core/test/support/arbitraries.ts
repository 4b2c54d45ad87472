// Arbitraries that several tests share.
import { FastCheck as fc } from "effect"
import type { JsonValue } from "../../src/protocol/ProtobufValue.ts"

/** Any Unicode text without lone surrogates: astral characters, control characters, combining marks. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" })
)

/** Names that every object already has, or that generated code treats specially. */
const trickyKey: fc.Arbitrary<string> = fc.constantFrom(
  "",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "toString",
  "length",
  "0",
  "$type"
)

/** The numbers the wire carries without loss, negative zero among them. */
const number: fc.Arbitrary<number> = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, Number.MIN_VALUE, 0.1),
  fc.double({ noDefaultInfinity: true, noNaN: true }).filter((n) => !Number.isInteger(n) || Number.isSafeInteger(n))
)

/** Defines keys, because assigning `__proto__` would set the prototype. */
export const record = <A>(entries: ReadonlyArray<readonly [string, A]>): { readonly [key: string]: A } => {
  const object: { [key: string]: A } = {}
  for (const [key, value] of entries) {
    Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true })
  }
  return object
}

const json = (key: fc.Arbitrary<string>): fc.Arbitrary<JsonValue> =>
  fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constant(null),
      fc.boolean(),
      number,
      text,
      fc.array(tie("value"), { maxLength: 5 }),
      fc.array(fc.tuple(key, tie("value")), { maxLength: 5 }).map(record)
    )
  })).value

/** Any value the wire can carry. */
export const jsonValue: fc.Arbitrary<JsonValue> = json(fc.oneof(text, trickyKey))

/** Values that generated code also handles correctly. */
export const ordinaryJsonValue: fc.Arbitrary<JsonValue> = json(text.filter((key) => key !== "__proto__"))

/** Bytes, and the sizes to cut them into. */
export const chunkedBytes: fc.Arbitrary<{ readonly bytes: Uint8Array; readonly sizes: ReadonlyArray<number> }> = fc
  .record({
    bytes: fc.uint8Array({ maxLength: 4096 }),
    sizes: fc.array(fc.integer({ min: 0, max: 512 }), { maxLength: 32 })
  })
