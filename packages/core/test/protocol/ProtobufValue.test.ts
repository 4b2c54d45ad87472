import { Value } from "@effect-jumpstarter/proto/google/protobuf/struct"
import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import { inspect, isDeepStrictEqual } from "node:util"
import { runInNewContext } from "node:vm"
import * as ProtobufValue from "../../src/protocol/ProtobufValue.ts"
import { jsonValue, ordinaryJsonValue, record } from "../support/arbitraries.ts"
import { fromHex, hex } from "../support/bytes.ts"

// Unlike chai's comparison, this one distinguishes -0 from 0 and compares prototypes, so it notices when `__proto__` became one.
const same = (actual: unknown, expected: unknown): void =>
  assert.isTrue(isDeepStrictEqual(actual, expected), `${inspect(actual)} is not ${inspect(expected)}`)

const encode = (value: ProtobufValue.JsonValue) => Either.getOrThrowWith(ProtobufValue.encode(value), (error) => error)

const decode = (bytes: Uint8Array) => Either.getOrThrowWith(ProtobufValue.decode(bytes), (error) => error)

// The codec refuses at run time what the compiler refuses, because callers may be JavaScript or pass an `any`.
const refusal = (value: unknown) =>
  Either.getOrThrow(Either.flip(ProtobufValue.encode(value as ProtobufValue.JsonValue)))

const nestedLists = (levels: number, innermost: unknown = undefined): unknown => {
  let value: unknown = innermost === undefined ? [] : [innermost]
  for (let level = 1; level < levels; level++) value = [value]
  return value
}

const nestedObjects = (levels: number, innermost: unknown = undefined): unknown => {
  let value: unknown = innermost === undefined ? {} : { a: innermost }
  for (let level = 1; level < levels; level++) value = { a: value }
  return value
}

describe("ProtobufValue", () => {
  describe("round trip", () => {
    it.prop("returns any JSON unchanged", { value: jsonValue }, ({ value }) => same(decode(encode(value)), value), {
      fastCheck: { numRuns: 500 }
    })

    it.prop(
      "encodes anything that was decoded",
      { value: jsonValue },
      ({ value }) => assert.isTrue(ProtobufValue.isJsonValue(decode(encode(value))))
    )

    it("keeps keys that every object inherits as data", () => {
      const value = record<ProtobufValue.JsonValue>([
        ["__proto__", { polluted: true }],
        ["constructor", null],
        ["", ""],
        ["hasOwnProperty", 1]
      ])
      const decoded = decode(encode(value)) as object
      same(decoded, value)
      assert.strictEqual(Object.getPrototypeOf(decoded), Object.prototype)
      assert.isUndefined(({} as { polluted?: unknown }).polluted)
    })

    it("accepts objects without a prototype", () => {
      same(decode(encode(Object.assign(Object.create(null), { a: 1 }))), { a: 1 })
    })

    it("accepts the same reference in several places", () => {
      const shared = { volts: [3.3] }
      same(decode(encode([shared, shared, { again: shared }])), [shared, shared, { again: shared }])
    })
  })

  describe("bytes", () => {
    const table: ReadonlyArray<readonly [string, ProtobufValue.JsonValue, string]> = [
      ["null", null, "08 00"],
      ["false", false, "20 00"],
      ["true", true, "20 01"],
      ["zero", 0, "11 0000000000000000"],
      ["negative zero", -0, "11 0000000000000080"],
      ["2^53 - 1", Number.MAX_SAFE_INTEGER, "11 ffffffffffff3f43"],
      ["a fraction", 3.5, "11 0000000000000c40"],
      ["the empty string", "", "1a 00"],
      ["a string", "é", "1a 02 c3a9"],
      ["the empty list", [], "32 00"],
      ["the empty object", {}, "2a 00"],
      ["null in a list", [null], "32 04 0a 02 08 00"],
      ["null in an object", { a: null }, "2a 09 0a 07 0a 01 61 12 02 08 00"],
      ["the empty list in a list", [[]], "32 04 0a 02 32 00"],
      ["the empty object in an object", { a: {} }, "2a 09 0a 07 0a 01 61 12 02 2a 00"],
      ["the empty key", { "": true }, "2a 08 0a 06 0a 00 12 02 20 01"]
    ]
    it.each(table)("%s", (_, value, bytes) => {
      assert.strictEqual(hex(encode(value)), hex(fromHex(bytes)))
      same(decode(fromHex(bytes)), value)
    })

    it.prop(
      "are read by generated code",
      { value: ordinaryJsonValue },
      ({ value }) => same(Value.unwrap(Value.decode(encode(value))), value)
    )

    it.prop(
      "of generated code are read",
      { value: ordinaryJsonValue },
      ({ value }) => same(decode(Value.encode(Value.wrap(value)).finish()), value)
    )
  })

  it("accepts plain data of another realm", () => {
    const foreign: ProtobufValue.JsonValue = runInNewContext("({ list: [{ deep: null }] })")
    same(Either.getOrThrow(ProtobufValue.decode(encode(foreign))), { list: [{ deep: null }] })
  })

  describe("refuses to encode", () => {
    class Reading {
      readonly volts = 3.3
    }
    const loop: Array<unknown> = [1]
    loop.push({ self: loop })
    const direct: Record<string, unknown> = {}
    direct["me"] = direct

    const table: ReadonlyArray<readonly [string, unknown, ReadonlyArray<string | number>, string]> = [
      ["NaN", NaN, [], "NaN cannot be sent, the protocol has finite numbers only"],
      ["Infinity", [1, Infinity], [1], "Infinity cannot be sent, the protocol has finite numbers only"],
      ["-Infinity", { a: -Infinity }, ["a"], "-Infinity cannot be sent, the protocol has finite numbers only"],
      [
        "2^53",
        [[2 ** 53]],
        [0, 0],
        "9007199254740992 is not a safe integer and may have lost digits, send it as a string"
      ],
      [
        "-(2^53)",
        -(2 ** 53),
        [],
        "-9007199254740992 is not a safe integer and may have lost digits, send it as a string"
      ],
      ["1e300", 1e300, [], "1e+300 is not a safe integer and may have lost digits, send it as a string"],
      ["undefined", undefined, [], "undefined cannot be sent, leave it out or send null"],
      [
        "an undefined property",
        { a: { b: undefined } },
        ["a", "b"],
        "undefined cannot be sent, leave it out or send null"
      ],
      // eslint-disable-next-line no-sparse-arrays
      ["a hole", [1, , 3], [1], "undefined cannot be sent, leave it out or send null"],
      ["a bigint", [1n], [0], "a bigint cannot be sent, send it as a string"],
      ["a symbol", { a: Symbol("x") }, ["a"], "a symbol cannot be sent"],
      ["a function", [() => 1], [0], "a function cannot be sent"],
      ["a Date", { at: new Date(0) }, ["at"], "an instance of Date cannot be sent, convert it to plain data"],
      ["a Map", new Map(), [], "an instance of Map cannot be sent, convert it to plain data"],
      ["a Set", [new Set()], [0], "an instance of Set cannot be sent, convert it to plain data"],
      ["a class instance", [0, new Reading()], [1], "an instance of Reading cannot be sent, convert it to plain data"],
      [
        "a custom prototype",
        Object.create(Object.create(null)),
        [],
        "an object with a custom prototype cannot be sent, convert it to plain data"
      ],
      [
        "a Uint8Array",
        [new Uint8Array(2)],
        [0],
        "bytes cannot be sent as they are, encode them as the driver expects (usually base64)"
      ],
      [
        "an ArrayBuffer",
        new ArrayBuffer(2),
        [],
        "bytes cannot be sent as they are, encode them as the driver expects (usually base64)"
      ],
      ["a lone surrogate in a value", ["ok", "\ud800"], [1], "a string with a lone surrogate is not valid Unicode"],
      [
        "a lone surrogate in a key",
        { a: { "x\udc00": 1 } },
        ["a", "x\udc00"],
        "a key with a lone surrogate is not valid Unicode"
      ],
      ["symbol keys", { a: { [Symbol("x")]: 1 } }, ["a"], "an object with symbol keys cannot be sent"],
      ["a value that contains itself", direct, ["me"], "the value contains itself"],
      ["a value that contains itself further down", loop, [1, "self"], "the value contains itself"]
    ]
    it.each(table)("%s", (_, value, path, reason) => {
      const error = refusal(value)
      assert.deepStrictEqual(error.path, path)
      assert.strictEqual(error.reason, reason)
      assert.isFalse(ProtobufValue.isJsonValue(value))
    })

    it("with a message that says what to do", () => {
      assert.strictEqual(
        refusal({ channels: [{ "my key": [1, NaN] }] }).message,
        ".channels[0][\"my key\"][1]: NaN cannot be sent, the protocol has finite numbers only"
      )
    })

    it("a refused value leaves nothing behind in the next encoding", () => {
      const shared = [NaN]
      refusal([shared, shared])
      same(decode(encode([[1], [1]])), [[1], [1]])
    })
  })

  // Parsers built on C accept 100 levels of messages. A call takes one level, each list two and each object three
  // (protocol.md 3).
  describe("nesting", () => {
    const taken: ReadonlyArray<readonly [string, unknown]> = [
      ["49 lists", nestedLists(49)],
      ["49 lists around a number", nestedLists(49, 1)],
      ["33 objects", nestedObjects(33)],
      ["32 objects around a number", nestedObjects(32, 1)],
      ["32 objects around a list", nestedObjects(32, [1])]
    ]
    it.each(taken)("takes %s", (_, value) => {
      assert.isTrue(ProtobufValue.isJsonValue(value))
      same(decode(encode(value as ProtobufValue.JsonValue)), value)
    })

    const refused: ReadonlyArray<readonly [string, unknown, number]> = [
      ["50 lists", nestedLists(50), 49],
      ["34 objects", nestedObjects(34), 33],
      ["33 objects around a number", nestedObjects(33, 1), 33],
      ["32 objects around two lists", nestedObjects(32, [[1]]), 33],
      ["1,000 lists", nestedLists(1_000), 49],
      ["100,000 lists", nestedLists(100_000), 49],
      ["100,000 objects", nestedObjects(100_000), 33]
    ]
    it.each(refused)("refuses %s, with the path", (_, value, pathLength) => {
      const error = refusal(value)
      assert.strictEqual(
        error.reason,
        "the value is nested too deeply, peers take at most 49 nested lists or 33 nested objects"
      )
      assert.strictEqual(error.path.length, pathLength)
    })

    // Wraps lists around an empty list. Each level adds a tag, a length, a tag and a length, and lengths are varints.
    const wrapped = (levels: number): Uint8Array => {
      const varint = (value: number): Array<number> =>
        value < 128 ? [value] : [value & 127 | 128, ...varint(Math.floor(value / 128))]
      // Built back to front: the innermost list is empty.
      const parts: Array<ReadonlyArray<number>> = [[0x32, 0x00]]
      let length = 2
      for (let level = 1; level < levels; level++) {
        const element = [0x0a, ...varint(length)]
        const list = [0x32, ...varint(length + element.length)]
        parts.push([...list, ...element])
        length += list.length + element.length
      }
      return Uint8Array.from(parts.reverse().flat())
    }

    it("accepts 1,000 received levels, and no more", () => {
      same(decode(wrapped(1_000)), nestedLists(1_000))
      const error = Either.getOrThrow(Either.flip(ProtobufValue.decode(wrapped(1_001))))
      assert.strictEqual(error.message, "the value is nested more than 1000 levels deep")
    })

    it("refuses 100,000 received levels without exhausting the stack", () => {
      const error = Either.getOrThrow(Either.flip(ProtobufValue.decode(wrapped(100_000))))
      assert.strictEqual(error.message, "the value is nested more than 1000 levels deep")
    })
  })

  describe("decodes", () => {
    const table: ReadonlyArray<readonly [string, string, ProtobufValue.JsonValue]> = [
      ["a value with no kind as null", "", null],
      ["an element with no kind as null", "32 02 0a 00", [null]],
      ["an entry with no value as null", "2a 05 0a 03 0a 01 61", { a: null }],
      ["an entry with no key under the empty one", "2a 06 0a 04 12 02 20 01", { "": true }],
      ["unknown fields by skipping them", "3a 02 6869 1a 01 61 40 05 4d 01020304 51 0102030405060708", "a"],
      ["a known field of another wire type by skipping it", "1a 01 61 18 05", "a"],
      ["the last kind", "20 01 1a 01 61 11 0000000000000c40", 3.5],
      ["the last value of a repeated key", "2a 12 0a 07 0a 01 61 12 02 20 01 0a 07 0a 01 61 12 02 20 00", { a: false }],
      ["null after another kind", "1a 01 61 08 00", null]
    ]
    it.each(table)("%s", (_, bytes, value) => same(decode(fromHex(bytes)), value))
  })

  describe("refuses bytes that no peer can have meant", () => {
    it.each([
      ["NaN", "11 000000000000f87f"],
      ["-Infinity", "32 0b 0a 09 11 000000000000f0ff"]
    ])("%s", (number, bytes) => {
      const error = Either.getOrThrow(Either.flip(ProtobufValue.decode(fromHex(bytes))))
      assert.strictEqual(error.message, `${number} was received, the protocol has finite numbers only`)
    })
  })

  describe("never throws", () => {
    const outcome = (bytes: Uint8Array): void => {
      const result = ProtobufValue.decode(bytes)
      assert.isTrue(Either.isEither(result))
      if (Either.isLeft(result)) assert.instanceOf(result.left, ProtobufValue.ValueError)
    }

    it.prop("on any bytes", { bytes: fc.uint8Array({ maxLength: 64 }) }, ({ bytes }) => outcome(bytes), {
      fastCheck: { numRuns: 2_000 }
    })

    it.prop(
      "on truncated or changed bytes",
      { value: jsonValue, cut: fc.double({ min: 0, max: 1, noNaN: true }), bits: fc.integer({ min: 0, max: 255 }) },
      ({ bits, cut, value }) => {
        const bytes = encode(value)
        const at = Math.floor(cut * (bytes.length - 1))
        outcome(bytes.subarray(0, at))
        const bent = Uint8Array.from(bytes)
        bent[at] = bits
        outcome(bent)
      },
      { fastCheck: { numRuns: 1_000 } }
    )

    it.each([
      ["a string that ends too early", "1a 05 61"],
      ["a number that ends too early", "11 0000"],
      ["a list that ends too early", "32 05 0a"],
      ["an object that ends too early", "2a 7f 0a"],
      ["a length without an end", "1a ffffffffffffffffffffff"],
      ["a tag of no field", "00 00"],
      ["a group without an end", "3b 3b 3b"]
    ])("on %s, which fails", (_, bytes) => {
      assert.isTrue(Either.isLeft(ProtobufValue.decode(fromHex(bytes))))
    })

    it("on an element that reaches beyond its list, which fails", () => {
      // The list has two bytes; its element claims three, which the next field of the value would provide.
      assert.isTrue(Either.isLeft(ProtobufValue.decode(fromHex("32 02 0a 03", "1a 01 61"))))
    })
  })
})
