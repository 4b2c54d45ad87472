import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"

const place = { rpc: "/t.S/Rpc", target: "tcp:lab:1" }

const fields = { _tag: "GrpcStatusError", code: "INTERNAL", details: "no", origin: "transport", ...place } as const

describe("GrpcStatusError", () => {
  it("has the scope of one RPC by default, also when it was encoded without a scope", () => {
    assert.strictEqual(new GrpcStatus.GrpcStatusError(fields).scope, "rpc")
    assert.strictEqual(Schema.decodeUnknownSync(GrpcStatus.GrpcStatusError)(fields).scope, "rpc")
  })

  it("keeps its scope when it is encoded", () => {
    const { decode, encode } = { encode: Schema.encodeSync, decode: Schema.decodeUnknownSync }
    const lost = GrpcStatus.lost(place, "Connection dropped")
    assert.strictEqual(decode(GrpcStatus.GrpcStatusError)(encode(GrpcStatus.GrpcStatusError)(lost)).scope, "connection")
  })

  it("is made by the peer, this client, or the loss of the connection", () => {
    const made = [
      GrpcStatus.make("NOT_FOUND", "no"),
      GrpcStatus.refused(place, "CANCELLED", "no"),
      GrpcStatus.refused(place, "CANCELLED", "no", { scope: "connection" }),
      GrpcStatus.lost(place, "no")
    ].map(({ code, origin, rpc, scope }) => [code, origin, scope, rpc])
    assert.deepStrictEqual(made, [
      ["NOT_FOUND", "peer", "rpc", ""],
      ["CANCELLED", "client", "rpc", place.rpc],
      ["CANCELLED", "client", "connection", place.rpc],
      ["UNAVAILABLE", "transport", "connection", place.rpc]
    ])
  })

  it("keeps all fields that are not amended, including the cause", () => {
    const cause = new Error("socket")
    const amended = GrpcStatus.amend(GrpcStatus.lost(place, "no", cause), { rpc: "/t.S/Other" })
    assert.deepInclude(amended, { code: "UNAVAILABLE", origin: "transport", scope: "connection", rpc: "/t.S/Other" })
    assert.strictEqual(amended.cause, cause)
  })
})
