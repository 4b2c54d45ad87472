// Reads and writes the bytes of google.protobuf.Value; ProtobufValue says what is refused and why.
import { type BinaryReader, type BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import * as Either from "effect/Either"
import type { ValuePath } from "./DriverError.ts"
import type { JsonValue } from "./json.ts"

// Protobuf parsers built on C refuse a message of more than 100 levels. A call takes one level; a value in it takes two per list
// and three per struct (protocol.md 3; measured with a Python exporter).
const maxMessageDepth = 100

const callDepth = 2

// The limit on the nesting of a received value, so that a hostile peer cannot exhaust the stack.
const maxReceivedDepth = 1_000

// Thrown inside the codec only; `attempt` turns it into a Left.
export class Refusal {
  constructor(readonly path: ValuePath, readonly reason: string) {}
}

const nullTag = 1
const numberTag = 2
const stringTag = 3
const boolTag = 4
const structTag = 5
const listTag = 6

const key = (field: number, type: WireType): number => field << 3 | type

const describeType = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return `a ${typeof value}`
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "an object with a custom prototype"
}

// Plain objects may come from another realm, which has its own Object.prototype.
const isRootPrototype = (prototype: unknown): boolean =>
  prototype === Object.prototype ||
  typeof prototype === "object" && prototype !== null && Object.hasOwn(prototype, "isPrototypeOf") &&
    Object.getPrototypeOf(prototype) === null

class Encoder {
  readonly path: Array<string | number>
  readonly ancestors: Array<object> = []

  constructor(path: ValuePath) {
    this.path = [...path]
  }

  refuse(reason: string): never {
    throw new Refusal([...this.path], reason)
  }

  text(text: string, what: string): string {
    return text.isWellFormed() ? text : this.refuse(`${what} with a lone surrogate is not valid Unicode`)
  }

  write(writer: BinaryWriter, value: unknown, depth: number): BinaryWriter {
    if (depth > maxMessageDepth) return this.tooDeep()
    switch (typeof value) {
      case "string":
        return writer.uint32(key(stringTag, WireType.LengthDelimited)).string(this.text(value, "a string"))
      case "number":
        if (!Number.isFinite(value)) {
          return this.refuse(`${value} cannot be sent, the protocol has finite numbers only`)
        }
        if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
          return this.refuse(`${value} is not a safe integer and may have lost digits, send it as a string`)
        }
        return writer.uint32(key(numberTag, WireType.Bit64)).double(value)
      case "boolean":
        return writer.uint32(key(boolTag, WireType.Varint)).bool(value)
      case "object":
        return value === null
          ? writer.uint32(key(nullTag, WireType.Varint)).int32(0)
          : this.container(writer, value, depth)
      case "undefined":
        return this.refuse("undefined cannot be sent, leave it out or send null")
      case "bigint":
        return this.refuse("a bigint cannot be sent, send it as a string")
      default:
        return this.refuse(`${describeType(value)} cannot be sent`)
    }
  }

  tooDeep(): never {
    return this.refuse("the value is nested too deeply, peers take at most 49 nested lists or 33 nested objects")
  }

  container(writer: BinaryWriter, value: object, depth: number): BinaryWriter {
    if (this.ancestors.includes(value)) return this.refuse("the value contains itself")
    if (depth === maxMessageDepth) return this.tooDeep()
    this.ancestors.push(value)
    if (Array.isArray(value)) {
      this.list(writer.uint32(key(listTag, WireType.LengthDelimited)).fork(), value, depth).join()
    } else {
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype !== null && !isRootPrototype(prototype)) {
        this.refuse(
          ArrayBuffer.isView(value) || value instanceof ArrayBuffer
            ? "bytes cannot be sent as they are, encode them as the driver expects (usually base64)"
            : `${describeType(value)} cannot be sent, convert it to plain data`
        )
      }
      this.struct(writer.uint32(key(structTag, WireType.LengthDelimited)).fork(), value, depth).join()
    }
    this.ancestors.pop()
    return writer
  }

  list(writer: BinaryWriter, list: ReadonlyArray<unknown>, depth: number): BinaryWriter {
    for (let index = 0; index < list.length; index++) {
      this.path.push(index)
      this.write(writer.uint32(key(1, WireType.LengthDelimited)).fork(), list[index], depth + 2).join()
      this.path.pop()
    }
    return writer
  }

  struct(writer: BinaryWriter, struct: object, depth: number): BinaryWriter {
    if (Object.getOwnPropertySymbols(struct).length > 0) {
      this.refuse("an object with symbol keys cannot be sent")
    }
    for (const [name, value] of Object.entries(struct)) {
      this.path.push(name)
      const entry = writer.uint32(key(1, WireType.LengthDelimited)).fork()
      entry.uint32(key(1, WireType.LengthDelimited)).string(this.text(name, "a key"))
      this.write(entry.uint32(key(2, WireType.LengthDelimited)).fork(), value, depth + 3).join()
      entry.join()
      this.path.pop()
    }
    return writer
  }
}

class Decoder {
  depth = 0

  constructor(readonly reader: BinaryReader) {}

  value(end: number): JsonValue {
    let value: JsonValue = null
    while (this.reader.pos < end) {
      const [field, type] = this.reader.tag()
      switch (key(field, type)) {
        case key(nullTag, WireType.Varint):
          this.reader.int32()
          value = null
          break
        case key(numberTag, WireType.Bit64):
          value = this.finite(this.reader.double())
          break
        case key(stringTag, WireType.LengthDelimited):
          value = this.reader.string()
          break
        case key(boolTag, WireType.Varint):
          value = this.reader.bool()
          break
        case key(structTag, WireType.LengthDelimited):
          value = this.nested(() => this.struct(this.end()))
          break
        case key(listTag, WireType.LengthDelimited):
          value = this.nested(() => this.list(this.end()))
          break
        default:
          this.reader.skip(type, field)
      }
    }
    this.ended(end)
    return value
  }

  // JSON has no such numbers, and Python does not decode them either (protocol.md 3.2).
  finite(number: number): number {
    if (Number.isFinite(number)) return number
    throw new Refusal([], `${number} was received, the protocol has finite numbers only`)
  }

  // A field that ends beyond its message would contain bytes of what follows.
  ended(end: number): void {
    if (this.reader.pos !== end) throw new Refusal([], "a field ends beyond its message")
  }

  nested(read: () => JsonValue): JsonValue {
    if (this.depth === maxReceivedDepth) {
      throw new Refusal([], `the value is nested more than ${maxReceivedDepth} levels deep`)
    }
    this.depth++
    const value = read()
    this.depth--
    return value
  }

  end(): number {
    const length = this.reader.uint32()
    const end = this.reader.pos + length
    if (end > this.reader.len) throw new Refusal([], "the value ends too early")
    return end
  }

  list(end: number): JsonValue {
    const list: Array<JsonValue> = []
    while (this.reader.pos < end) {
      const [field, type] = this.reader.tag()
      if (key(field, type) === key(1, WireType.LengthDelimited)) {
        list.push(this.value(this.end()))
      } else {
        this.reader.skip(type, field)
      }
    }
    this.ended(end)
    return list
  }

  struct(end: number): JsonValue {
    const struct: { [key: string]: JsonValue } = {}
    while (this.reader.pos < end) {
      const [field, type] = this.reader.tag()
      if (key(field, type) === key(1, WireType.LengthDelimited)) {
        this.entry(struct, this.end())
      } else {
        this.reader.skip(type, field)
      }
    }
    this.ended(end)
    return struct
  }

  entry(struct: { [key: string]: JsonValue }, end: number): void {
    let name = ""
    let value: JsonValue = null
    while (this.reader.pos < end) {
      const [field, type] = this.reader.tag()
      switch (key(field, type)) {
        case key(1, WireType.LengthDelimited):
          name = this.reader.string()
          break
        case key(2, WireType.LengthDelimited):
          value = this.value(this.end())
          break
        default:
          this.reader.skip(type, field)
      }
    }
    this.ended(end)
    if (name === "__proto__") {
      Object.defineProperty(struct, name, { value, enumerable: true, configurable: true, writable: true })
    } else {
      struct[name] = value
    }
  }
}

export const write = (writer: BinaryWriter, value: unknown, path: ValuePath): BinaryWriter =>
  new Encoder(path).write(writer, value, callDepth)

export const read = (reader: BinaryReader, end: number): JsonValue => new Decoder(reader).value(end)

export const writeField = (writer: BinaryWriter, field: number, value: JsonValue, path: ValuePath): void => {
  write(writer.uint32(key(field, WireType.LengthDelimited)).fork(), value, path).join()
}

export const readField = (reader: BinaryReader): JsonValue => {
  const decoder = new Decoder(reader)
  return decoder.value(decoder.end())
}

export const attempt = <A>(evaluate: () => A): Either.Either<A, Refusal> =>
  Either.try({
    try: evaluate,
    catch: (cause) =>
      cause instanceof Refusal
        ? cause
        : new Refusal([], `malformed message: ${cause instanceof Error ? cause.message : String(cause)}`)
  })
