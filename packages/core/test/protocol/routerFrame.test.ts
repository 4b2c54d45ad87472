import { FrameType, StreamRequest } from "@effect-jumpstarter/proto/jumpstarter/v1/router"
import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as Bytes from "../../src/grpc/Bytes.ts"
import * as frame from "../../src/protocol/routerFrame.ts"
import { fromHex, hex } from "../support/bytes.ts"

const generated = (payload: Uint8Array, frameType: FrameType) =>
  StreamRequest.encode({ payload: Buffer.from(payload), frameType }).finish()

describe("frame", () => {
  // Around the limits of one, two, three and four bytes of length.
  it.each([1, 127, 128, 16_383, 16_384, 1024 * 1024, 2_097_151, 2_097_152])(
    "data of %d bytes is written as generated code writes it",
    (size) => {
      const payload = new Uint8Array(size).map((_, index) => index * 31)
      assert.isTrue(
        Buffer.from(Bytes.join(frame.encodeData(payload))).equals(generated(payload, FrameType.FRAME_TYPE_DATA))
      )
      const decoded = frame.decode(frame.encodeData(payload))
      assert.strictEqual(decoded.kind, "data")
      assert.isTrue(Buffer.from(Bytes.join(decoded.payload)).equals(payload))
    }
  )

  it("empty data is decoded as empty data, by generated code too", () => {
    const empty = Bytes.join(frame.encodeData(new Uint8Array()))
    assert.deepStrictEqual(frame.decode(empty), { kind: "data", payload: new Uint8Array() })
    assert.strictEqual(StreamRequest.decode(empty).payload.length, 0)
  })

  it("the end is written as generated code writes it", () => {
    assert.strictEqual(hex(frame.goAway), hex(generated(new Uint8Array(), FrameType.FRAME_TYPE_GOAWAY)))
    assert.strictEqual(hex(frame.goAway), "1007")
  })

  it.each<[string, string, frame.Frame["kind"], string]>([
    ["an empty message as empty data", "", "data", ""],
    ["data", "0a 03 010203", "data", "010203"],
    ["data with its type spelled out", "0a 01 ff 10 00", "data", "ff"],
    ["the end", "10 07", "goAway", ""],
    ["the end, with a payload", "10 07 0a 01 ff", "goAway", "ff"],
    ["a ping", "10 06", "other", ""],
    ["a reset", "10 03 0a 01 ff", "reset", "ff"],
    ["a type of a later version", "10 ff01", "other", ""],
    ["a negative type", "10 ffffffffffffffffff01", "other", ""],
    ["unknown fields by skipping them", "1a 01 61 0a 01 ff 20 05", "data", "ff"],
    ["the last of several payloads", "0a 01 01 0a 01 02", "data", "02"]
  ])("reads %s", (_, bytes, kind, payload) => {
    const decoded = frame.decode(fromHex(bytes))
    assert.strictEqual(decoded.kind, kind)
    assert.strictEqual(hex(decoded.payload), payload)
  })

  const pieces = (...fields: ReadonlyArray<string>) => frame.decode(fields.map((field) => fromHex(field)))

  it("the payload of data in pieces in the same pieces", () => {
    const payload = Array.from({ length: 3 }, (_, index) => new Uint8Array(70_000).fill(index))
    const whole = Bytes.join(frame.encodeData(Bytes.join(payload)))
    const [first, second] = [whole.subarray(0, 70_004), whole.subarray(70_004, 140_004)]
    const decoded = frame.decode([first, second, whole.subarray(140_004)])
    assert.deepStrictEqual(decoded, { kind: "data", payload })
    assert.strictEqual(Bytes.pieces(decoded.payload)[1], second)
  })

  it.each<[string, ReadonlyArray<string>, frame.Frame["kind"], string]>([
    ["data", ["0a 06 010203", "040506"], "data", "010203040506"],
    ["data whose length is in two pieces", ["0a 84", "01", "ff".repeat(132)], "data", "ff".repeat(132)],
    ["data with its type spelled out", ["0a 06 010203040506", "10 00"], "data", "010203040506"],
    ["a ping with a payload", ["0a 06 010203040506", "10 06"], "other", "010203040506"],
    ["the end, with a payload", ["0a 06 010203", "040506 10 07"], "goAway", "010203040506"],
    ["the last of several payloads", ["0a 06 010203040506", "0a 01 07"], "data", "07"]
  ])("reads %s, in pieces", (_, fields, kind, payload) => {
    const decoded = pieces(...fields)
    assert.strictEqual(decoded.kind, kind)
    assert.strictEqual(hex(decoded.payload), payload)
  })

  it("throws on pieces that are not a frame", () => {
    assert.throws(() => pieces("0a 07 010203040506", ""))
    assert.throws(() => pieces("0a ffffffffffff", "01"))
  })

  it.each(["0a 05 01", "0a", "10", "ff"])("throws on %s, which is no frame", (bytes) => {
    assert.throws(() => frame.decode(fromHex(bytes)))
  })

  it.prop("agrees with generated code on any frame", {
    payload: fc.uint8Array({ maxLength: 300 }),
    type: fc.constantFrom(0, 3, 6, 7, 8, 300)
  }, ({ payload, type }) => {
    const decoded = frame.decode(generated(payload, type as FrameType))
    assert.strictEqual(decoded.kind, type === 0 ? "data" : type === 3 ? "reset" : type === 7 ? "goAway" : "other")
    assert.strictEqual(hex(decoded.payload), hex(payload))
  })
})
