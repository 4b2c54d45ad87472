import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Bytes from "../../src/grpc/Bytes.ts"

const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(3)]

describe("Bytes", () => {
  it.each<[string, Bytes.Bytes, ReadonlyArray<number>]>([
    ["one piece", a, [1, 2]],
    ["one piece in a list", [a], [1, 2]],
    ["several pieces, some of them empty", [new Uint8Array(), a, new Uint8Array(), b], [1, 2, 3]],
    ["no piece", [], []]
  ])("are the same bytes in %s", (_, bytes, expected) => {
    strictEqual(Bytes.size(bytes), expected.length)
    deepStrictEqual(Bytes.join(bytes), Uint8Array.from(expected))
    deepStrictEqual(Bytes.join(Bytes.pieces(bytes)), Uint8Array.from(expected))
  })

  it("are not copied when they are in one piece", () => {
    strictEqual(Bytes.join(a), a)
    strictEqual(Bytes.join([a]), a)
    strictEqual(Bytes.pieces(a)[0], a)
  })
})
