import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual, throws } from "@effect/vitest/utils"
import * as fc from "effect/FastCheck"
import * as messageReader from "../src/internal/messageReader.ts"

const message = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, index) => index % 251)

const readAll = (pieces: ReadonlyArray<Uint8Array>, maxMessageBytes = 4 * 1024 * 1024) => {
  const reader = new messageReader.MessageReader(maxMessageBytes)
  const messages: Array<Uint8Array> = []
  for (const piece of pieces) reader.read(piece, (message) => messages.push(Uint8Array.from(message)))
  return { messages, isPartial: reader.isPartial }
}

const cut = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

describe("messageReader", () => {
  it("reads what was joined, however it is cut", () => {
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

  it("assembles a large message from many pieces", () => {
    const large = message(3_000_000)
    const { messages } = readAll(cut(messageReader.join([large, message(1)]), 16_384))
    strictEqual(messages.length, 2)
    deepStrictEqual(messages[0], large)
  })

  it("tells of a message that is not complete", () => {
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

  it("takes a message of the largest size, and refuses a larger one when it is announced", () => {
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

  it("refuses compressed messages", () => {
    throws(
      () => readAll([Uint8Array.of(1, 0, 0, 0, 0)]),
      new messageReader.MessageError("UNIMPLEMENTED", "compressed messages are not supported")
    )
  })

  it("reads nothing more after a message that it refused", () => {
    const reader = new messageReader.MessageReader(100)
    const emitted: Array<Uint8Array> = []
    const read = (bytes: Uint8Array) => reader.read(bytes, (message) => emitted.push(message))
    // One in two pieces before it: what was assembled must not be taken for what follows.
    const whole = messageReader.join([message(50)])
    read(whole.subarray(0, 20))
    read(whole.subarray(20))
    throws(() => read(messageReader.prefix(101)))
    read(messageReader.join([message(1)]))
    strictEqual(emitted.length, 1)
  })
})
