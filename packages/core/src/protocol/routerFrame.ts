// The frames of RouterService.Stream (protocol.md 5.2). StreamRequest and StreamResponse have the same fields, so one codec serves
// both sides. It never copies the payload: it writes a header in front of it, and reads it as a view. Generated code copies both ways.
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire"
import * as Bytes from "../grpc/Bytes.ts"

const payloadTag = 1 << 3 | WireType.LengthDelimited

const typeTag = 2 << 3 | WireType.Varint

const dataType = 0

const resetType = 3

const pingType = 6

const goAwayType = 7

export interface Frame {
  readonly kind: "data" | "goAway" | "reset" | "other"
  readonly payload: Bytes.Bytes
}

// The bytes in front of a payload of the given length.
const header = (length: number): Uint8Array => {
  const bytes = [payloadTag]
  let rest = length
  for (; rest > 0x7f; rest >>>= 7) bytes.push(rest & 0x7f | 0x80)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

export const encodeData = (payload: Bytes.Bytes): Bytes.Bytes => [
  header(Bytes.size(payload)),
  ...Bytes.pieces(payload)
]

const empty = (type: number): Uint8Array => Uint8Array.of(typeTag, type)

export const goAway: Uint8Array = empty(goAwayType)

/** Its receiver does nothing about it. */
export const ping: Uint8Array = empty(pingType)

const kinds: Readonly<Record<number, Frame["kind"]>> = {
  [dataType]: "data",
  [resetType]: "reset",
  [goAwayType]: "goAway"
}

// A tag and a length take at most this many bytes.
const maxHeaderBytes = 6

// Returns the payload of a message in pieces, if the message is data and nothing else.
const dataOf = (message: ReadonlyArray<Uint8Array>): Bytes.Bytes | undefined => {
  const [first, ...rest] = message
  if (first === undefined || first.length < maxHeaderBytes || first[0] !== payloadTag) return undefined
  const reader = new BinaryReader(first)
  reader.tag()
  const length = reader.uint32()
  return reader.pos + length === Bytes.size(message) ? [first.subarray(reader.pos), ...rest] : undefined
}

// Throws when the bytes are not a frame.
export const decode = (message: Bytes.Bytes): Frame => {
  if (message instanceof Uint8Array) return decodeWhole(message)
  const payload = dataOf(message)
  return payload === undefined ? decodeWhole(Bytes.join(message)) : { kind: "data", payload }
}

const decodeWhole = (message: Uint8Array): Frame => {
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
  return { kind: kinds[type] ?? "other", payload }
}
