import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as fc from "effect/FastCheck"
import * as GrpcStatus from "../../../src/grpc/GrpcStatus.ts"
import * as httpStatus from "../../../src/transport/http/status.ts"

const travelled = (details: string) => {
  const { "grpc-message": message, "grpc-status": status } = httpStatus.toTrailers(
    GrpcStatus.make("NOT_FOUND", details)
  )
  return {
    message: String(message),
    read: httpStatus.fromTrailers({ "grpc-message": String(message), "grpc-status": String(status) })
  }
}

describe("httpStatus", () => {
  it("carries any text in printable ASCII", () => {
    fc.assert(
      fc.property(fc.fullUnicodeString(), (details) => {
        const { message, read } = travelled(details)
        strictEqual(/^[ -~]*$/.test(message), true, message)
        deepStrictEqual(read, { code: "NOT_FOUND", details })
      })
    )
  })

  it("encodes text as the gRPC specification says", () => {
    strictEqual(travelled("50% of ünits\n").message, "50%25 of %C3%BCnits%0A")
  })

  it("keeps badly encoded text as it is", () => {
    deepStrictEqual(httpStatus.fromTrailers({ "grpc-status": "2", "grpc-message": "100%" }), {
      code: "UNKNOWN",
      details: "100%"
    })
  })

  it("is undefined without a code, and UNKNOWN for an unknown code", () => {
    strictEqual(httpStatus.fromTrailers({ "grpc-message": "x" }), undefined)
    deepStrictEqual(httpStatus.fromTrailers({ "grpc-status": "77" }), { code: "UNKNOWN", details: "" })
  })

  it("reads metadata: the last of several values, without pseudo headers and binary entries", () => {
    const metadata = httpStatus.fromRawHeaders([":path", "/x", "key", "first", "a-bin", "AA", "key", "last"])
    deepStrictEqual(Array.from(metadata.entries), [["key", "last"]])
  })
})
