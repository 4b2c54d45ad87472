import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual, throws } from "@effect/vitest/utils"
import * as fc from "effect/FastCheck"
import * as Bytes from "../../../src/grpc/Bytes.ts"
import * as messageReader from "../../../src/transport/http2/messageReader.ts"

const message = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, index) => index % 251)

const readAll = (pieces: ReadonlyArray<Uint8Array>, maxMessageBytes = 4 * 1024 * 1024) => {
  const reader = new messageReader.MessageReader(maxMessageBytes)
  const messages: Array<Uint8Array> = []
  for (const piece of pieces) reader.read(piece, (message) => messages.push(Uint8Array.from(Bytes.join(message))))
  return { messages, isPartial: reader.isPartial }
}

const cut = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

describe("messageReader", () => {
  it("reads joined messages, however the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 900 }),
        (sizes, size) => {
          const messages = sizes.map(message)
          deepStrictEqual(readAll(cut(messageReader.join(messages), size)), { messages, isPartial: false })
        }
      )
    )
  })

  it.each([1_000, 16_384, 60_000, 70_000])("reads a large message that comes in pieces of %d bytes", (size) => {
    const large = message(3_000_000)
    const { messages } = readAll(cut(messageReader.join([large, message(1)]), size))
    strictEqual(messages.length, 2)
    deepStrictEqual(messages[0], large)
  })

  const emitted = (pieces: ReadonlyArray<Uint8Array>): Bytes.Bytes => {
    const reader = new messageReader.MessageReader(4 * 1024 * 1024)
    const messages: Array<Bytes.Bytes> = []
    for (const piece of pieces) reader.read(piece, (message) => messages.push(message))
    strictEqual(messages.length, 1)
    return messages[0] ?? []
  }

  it("does not copy a large message that arrives in large pieces", () => {
    const wire = messageReader.join([message(200_000)])
    const pieces = Bytes.pieces(emitted(cut(wire, 65_536)))
    deepStrictEqual(pieces.map(({ length }) => length), [65_531, 65_536, 65_536, 3_397])
    for (const piece of pieces.slice(0, 3)) strictEqual(piece.buffer, wire.buffer)
  })

  // A datagram is one message. Its reader must not get two chunks.
  it("emits a possible datagram in one piece, however it arrives", () => {
    for (const size of [1, 1_400, 40_000]) {
      strictEqual(Bytes.pieces(emitted(cut(messageReader.join([message(65_531)]), size))).length, 1)
    }
  })

  // Otherwise a peer that sends each byte of a message among many other bytes would keep all of them in memory.
  it("keeps little memory alive for a message that arrives in small pieces", () => {
    const wire = messageReader.join([message(1_000_000)])
    const small = cut(wire, 100).map((piece) => {
      const large = new Uint8Array(65_536)
      large.set(piece)
      return large.subarray(0, piece.length)
    })
    const pieces = Bytes.pieces(emitted(small))
    deepStrictEqual(Bytes.join(pieces), message(1_000_000))
    const kept = pieces.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
    strictEqual(kept <= 1_100_000, true, `${kept} bytes are kept alive`)
  })

  it("keeps little memory alive for a message that arrives in alternating large and small pieces", () => {
    const wire = messageReader.join([message(2_000_000)])
    const pieces: Array<Uint8Array> = []
    for (let offset = 0; offset < wire.length; offset += 32_769) {
      for (const [from, to] of [[offset, offset + 32_768], [offset + 32_768, offset + 32_769]] as const) {
        const piece = wire.subarray(from, to)
        if (piece.length > 0) pieces.push(Uint8Array.from(piece))
      }
    }
    const kept = Bytes.pieces(emitted(pieces)).reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
    strictEqual(kept <= 2_100_000, true, `${kept} bytes are kept alive`)
  })

  it("reports an incomplete message", () => {
    const whole = messageReader.join([message(10)])
    for (const size of [1, 4, 5, 14]) {
      deepStrictEqual(readAll([whole.subarray(0, size)]), { messages: [], isPartial: true })
    }
    strictEqual(readAll([whole]).isPartial, false)
  })

  it("writes the same prefix for one message", () => {
    const large = message(70_000)
    deepStrictEqual(readAll([messageReader.prefix(large.length), large]).messages, [large])
  })

  it("accepts a message of the largest size, and refuses a larger one by its prefix", () => {
    strictEqual(readAll([messageReader.join([message(100)])], 100).messages.length, 1)
    throws(
      () => readAll([messageReader.prefix(101)], 100),
      new messageReader.MessageError("RESOURCE_EXHAUSTED", "Received message larger than max (101 vs 100)")
    )
    throws(
      () => readAll([Uint8Array.of(0, 255, 255, 255, 255)]),
      new messageReader.MessageError("RESOURCE_EXHAUSTED", "Received message larger than max (4294967295 vs 4194304)")
    )
  })

  it("refuses compressed messages and unknown flags", () => {
    const refusal = (flag: number, encoding?: string) => {
      const reader = new messageReader.MessageReader(100)
      reader.encoding = encoding
      try {
        reader.read(Uint8Array.of(flag, 0, 0, 0, 0), () => {})
        return "taken"
      } catch (error) {
        return error
      }
    }
    const told = (details: string) => new messageReader.MessageError("INTERNAL", details)
    deepStrictEqual(refusal(1), told("Received a compressed message, but no encoding (grpc-encoding)"))
    deepStrictEqual(refusal(1, "identity"), told("Received a compressed message, but no encoding (grpc-encoding)"))
    deepStrictEqual(refusal(1, "gzip"), told("Received a message compressed with gzip, which was not asked for"))
    deepStrictEqual(refusal(2), told("Received a message with the flag 2, which gRPC does not define"))
    deepStrictEqual(refusal(0, "gzip"), "taken")
  })

  it("reads nothing after a refused message", () => {
    const reader = new messageReader.MessageReader(100)
    const emitted: Array<Bytes.Bytes> = []
    const read = (bytes: Uint8Array) => reader.read(bytes, (message) => emitted.push(message))
    // A message in two pieces comes first: its assembled bytes must not be mistaken for the next message.
    const whole = messageReader.join([message(50)])
    read(whole.subarray(0, 20))
    read(whole.subarray(20))
    throws(() => read(messageReader.prefix(101)))
    read(messageReader.join([message(1)]))
    strictEqual(emitted.length, 1)
  })
})
