// Bytes from text, from hex, and back.
import * as Bytes from "../../src/grpc/Bytes.ts"

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export const text = (bytes: Bytes.Bytes): string => new TextDecoder().decode(Bytes.join(bytes))

/** A protobuf message written by hand, field by field. */
export const fromHex = (...fields: ReadonlyArray<string>): Uint8Array =>
  Uint8Array.from(Buffer.from(fields.join("").replaceAll(" ", ""), "hex"))

export const hex = (bytes: Bytes.Bytes): string => Buffer.from(Bytes.join(bytes)).toString("hex")

export const concat = (chunks: Iterable<Bytes.Bytes>): Uint8Array =>
  Uint8Array.from(Buffer.concat(Array.from(chunks, Bytes.join)))

/** A chunk with its number in its first bytes, so that a test can check the order. */
export const numbered = (index: number, size = 4): Uint8Array => {
  const bytes = new Uint8Array(size)
  new DataView(bytes.buffer).setUint32(0, index)
  return bytes
}

export const numberOf = (message: Bytes.Bytes): number => {
  const bytes = Bytes.join(message)
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0)
}
