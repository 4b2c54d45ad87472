// The messages of the conformance suite, as JSON: read from the descriptors that scripts/conformance.mjs makes of the suite's
// own .proto files, so that none of it is kept here.
import {
  createFileRegistry,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  toBinary,
  toJson
} from "@bufbuild/protobuf"
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"

export const servicePath = "/connectrpc.conformance.v1.ConformanceService/"

const packageName = "connectrpc.conformance.v1."

const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, readFileSync(process.env["CONFORMANCE_MESSAGES"] ?? ""))
)

const descriptor = (name: string): DescMessage => {
  const found = registry.getMessage(name)
  if (found === undefined) throw new Error(`the conformance suite has no message ${name}`)
  return found
}

/** Reads a message of the suite, known by its short name. */
export const decode = <A, I>(name: string, schema: Schema.Schema<A, I>, bytes: Uint8Array): A =>
  Schema.decodeUnknownSync(schema)(decodeJson(name, bytes))

const decodeJson = (name: string, bytes: Uint8Array): JsonObject => {
  const found = descriptor(packageName + name)
  return toJson(found, fromBinary(found, bytes), { registry }) as JsonObject
}

export const encode = (name: string, json: JsonValue): Uint8Array => {
  const found = descriptor(packageName + name)
  return toBinary(found, fromJson(found, json, { registry }))
}

/** A message as the suite echoes it: with its type. */
export const asAny = (name: string, bytes: Uint8Array): JsonObject => ({
  "@type": `type.googleapis.com/${packageName}${name}`,
  ...decodeJson(name, bytes)
})

/** The bytes of a message that comes with its type. */
export const ofAny = ({ "@type": type, ...json }: JsonObject): Uint8Array => {
  const found = descriptor(String(type).replace(/^.*\//, ""))
  return toBinary(found, fromJson(found, json, { registry }))
}

/** One message of many on a byte stream of the suite: four bytes with its length come first. */
const framed = (message: Uint8Array): Uint8Array => {
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32BE(message.length)
  return Buffer.concat([prefix, message])
}

/** The messages on standard input. */
export async function* received(): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0)
  for await (const bytes of process.stdin as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, bytes])
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
      const end = 4 + rest.readUInt32BE()
      yield rest.subarray(4, end)
      rest = rest.subarray(end)
    }
  }
}

export const answer = (name: string, json: JsonValue): Effect.Effect<void> =>
  Effect.sync(() => {
    process.stdout.write(framed(encode(name, json)))
  })

/** Text in a field of bytes, which JSON has as base64. */
export const Text = Schema.StringFromBase64

export const JsonMessage = Schema.declare((u: unknown): u is JsonObject => typeof u === "object" && u !== null)

export const Headers = Schema.optionalWith(
  Schema.Array(
    Schema.Struct({
      name: Schema.String,
      value: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] })
    })
  ),
  { default: () => [] }
)
