import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Schema } from "effect"
import * as streamRequest from "../../src/protocol/streamRequest.ts"
import { text } from "../support/arbitraries.ts"

const decode = Schema.decodeSync(streamRequest.StreamRequest, { onExcessProperty: "error" })

const request: fc.Arbitrary<streamRequest.StreamRequest> = fc.oneof(
  fc.record({ kind: fc.constant("driver" as const), uuid: text, method: text }),
  fc.record({ kind: fc.constant("resource" as const), uuid: text, x_jmp_content_encoding: fc.option(text) })
)

describe("streamRequest.toMetadata", () => {
  it("writes in printable ASCII what a host reads", () =>
    fc.assert(fc.property(request, (request) => {
      const written = streamRequest.toMetadata(request)
      assert.match(written, /^[ -~]*$/)
      assert.deepStrictEqual(decode(written), request)
    })))

  it("writes null for a resource that is not encoded", () => {
    assert.strictEqual(
      streamRequest.toMetadata({ kind: "resource", uuid: "a", x_jmp_content_encoding: null }),
      "{\"kind\":\"resource\",\"uuid\":\"a\",\"x_jmp_content_encoding\":null}"
    )
  })
})
