// Bytes from text, from hex, and back.

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** A protobuf message written by hand, a field at a time. */
export const fromHex = (...fields: ReadonlyArray<string>): Uint8Array =>
  Uint8Array.from(Buffer.from(fields.join("").replaceAll(" ", ""), "hex"))

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

export const concat = (chunks: Iterable<Uint8Array>): Uint8Array => Uint8Array.from(Buffer.concat(Array.from(chunks)))

/** A chunk with its number in its first bytes, so that order can be checked. */
export const numbered = (index: number, size = 4): Uint8Array => {
  const bytes = new Uint8Array(size)
  new DataView(bytes.buffer).setUint32(0, index)
  return bytes
}

export const numberOf = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0)
