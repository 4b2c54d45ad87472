// The frames of RouterService.Stream (protocol.md 5.2). StreamRequest and StreamResponse have the same fields, so one
// codec serves both sides; it writes around the payload and reads it as a view, where generated code copies both ways.
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire"

const payloadTag = 1 << 3 | WireType.LengthDelimited

const typeTag = 2 << 3 | WireType.Varint

const dataType = 0

const goAwayType = 7

export interface Frame {
  readonly kind: "data" | "goAway" | "other"
  readonly payload: Uint8Array
}

export const encodeData = (payload: Uint8Array): Uint8Array => {
  let lengthBytes = 1
  for (let rest = payload.length >>> 7; rest > 0; rest >>>= 7) lengthBytes++
  const frame = new Uint8Array(1 + lengthBytes + payload.length)
  frame[0] = payloadTag
  let length = payload.length
  for (let index = 1; index < lengthBytes; index++) {
    frame[index] = length & 0x7f | 0x80
    length >>>= 7
  }
  frame[lengthBytes] = length
  frame.set(payload, 1 + lengthBytes)
  return frame
}

export const goAway: Uint8Array = Uint8Array.of(typeTag, goAwayType)

// Throws when the bytes are no frame.
export const decode = (message: Uint8Array): Frame => {
  const reader = new BinaryReader(message)
  let payload: Uint8Array = new Uint8Array()
  let type = dataType
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    switch (field << 3 | wireType) {
      case payloadTag:
        payload = reader.bytes()
        break
      case typeTag:
        type = reader.int32()
        break
      default:
        reader.skip(wireType, field)
    }
  }
  return { kind: type === dataType ? "data" : type === goAwayType ? "goAway" : "other", payload }
}
