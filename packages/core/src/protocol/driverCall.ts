// The codec of the four messages that carry driver arguments and results (protocol.md 2.3, 4). Generated code would lose some of
// their values; see ProtobufValue.
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import type * as Either from "effect/Either"
import type { JsonValue } from "./ProtobufValue.ts"
import * as valueCodec from "./valueCodec.ts"

export interface DriverCallRequest {
  readonly uuid: string
  readonly method: string
  readonly args: ReadonlyArray<JsonValue>
}

const tag = (field: number): number => field << 3 | WireType.LengthDelimited

export const encodeRequest = (request: DriverCallRequest): Either.Either<Uint8Array, valueCodec.Refusal> =>
  valueCodec.attempt(() => {
    const writer = new BinaryWriter()
    if (request.uuid !== "") writer.uint32(tag(1)).string(request.uuid)
    if (request.method !== "") writer.uint32(tag(2)).string(request.method)
    request.args.forEach((arg, index) => valueCodec.writeField(writer, 3, arg, [index]))
    return writer.finish()
  })

export const decodeRequest = (bytes: Uint8Array): Either.Either<DriverCallRequest, valueCodec.Refusal> =>
  valueCodec.attempt(() => {
    const reader = new BinaryReader(bytes)
    let uuid = ""
    let method = ""
    const args: Array<JsonValue> = []
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag()
      switch (field << 3 | type) {
        case tag(1):
          uuid = reader.string()
          break
        case tag(2):
          method = reader.string()
          break
        case tag(3):
          args.push(valueCodec.readField(reader))
          break
        default:
          reader.skip(type, field)
      }
    }
    return { uuid, method, args }
  })

export const encodeResponse = (
  uuid: string,
  result: JsonValue
): Either.Either<Uint8Array, valueCodec.Refusal> =>
  valueCodec.attempt(() => {
    const writer = new BinaryWriter().uint32(tag(1)).string(uuid)
    valueCodec.writeField(writer, 2, result, [])
    return writer.finish()
  })

// The uuid of a response is random and has no meaning (protocol.md 4.1), so only the result is kept.
export const decodeResponse = (bytes: Uint8Array): Either.Either<JsonValue, valueCodec.Refusal> =>
  valueCodec.attempt(() => {
    const reader = new BinaryReader(bytes)
    let result: JsonValue = null
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag()
      if ((field << 3 | type) === tag(2)) {
        result = valueCodec.readField(reader)
      } else {
        reader.skip(type, field)
      }
    }
    return result
  })
