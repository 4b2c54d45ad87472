// What a client and a host that are written by hand on node:http2 need of gRPC and of the frames of byte streams.

/** What either side grants the other. */
export const window = 8 * 1024 * 1024

export const maxFrameSize = 1024 * 1024

// The five bytes before every message: whether it is compressed, and its length.
const prefixBytes = 5

const dataTag = 1 << 3 | 2

export const goAway = Buffer.from([0, 0, 0, 0, 2, 2 << 3, 7])

export const message = (bytes: Uint8Array): Buffer => {
  const framed = Buffer.allocUnsafe(prefixBytes + bytes.length)
  framed[0] = 0
  framed.writeUInt32BE(bytes.length, 1)
  framed.set(bytes, prefixBytes)
  return framed
}

// The start of a message that carries a frame with a payload of this size; the payload follows.
export const frameStart = (size: number): Buffer => {
  const length: Array<number> = []
  for (let rest = size;; rest >>>= 7) {
    length.push(rest > 127 ? rest & 127 | 128 : rest)
    if (rest <= 127) break
  }
  const start = Buffer.from([0, 0, 0, 0, 0, dataTag, ...length])
  start.writeUInt32BE(1 + length.length + size, 1)
  return start
}

// Undefined for a frame that is no data.
export const payloadOf = (frame: Buffer): Buffer | undefined => {
  if (frame[0] !== dataTag) return undefined
  let length = 0
  let index = 1
  for (let shift = 0;; shift += 7) {
    const byte = frame[index++] ?? 0
    length |= (byte & 127) << shift
    if (byte < 128) return frame.subarray(index, index + length)
  }
}

// Cuts what arrives into messages.
export const splitter = (onMessage: (message: Buffer) => void) => {
  let pieces: Array<Buffer> = []
  let have = 0
  let need = prefixBytes
  return (piece: Buffer) => {
    pieces.push(piece)
    have += piece.length
    if (have < need) return
    let rest = pieces.length === 1 ? piece : Buffer.concat(pieces)
    need = prefixBytes
    while (rest.length >= prefixBytes) {
      need = prefixBytes + rest.readUInt32BE(1)
      if (rest.length < need) break
      onMessage(rest.subarray(prefixBytes, need))
      rest = rest.subarray(need)
      need = prefixBytes
    }
    pieces = rest.length === 0 ? [] : [rest]
    have = rest.length
  }
}
