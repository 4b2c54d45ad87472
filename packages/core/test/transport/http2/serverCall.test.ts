import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Endpoint from "../../../src/grpc/Endpoint.ts"
import { GrpcHandler } from "../../../src/grpc/GrpcHandler.ts"
import * as GrpcServer from "../../../src/transport/GrpcServer.ts"
import { utf8 } from "../../support/bytes.ts"
import * as raw from "../../support/rawGrpc.ts"

const path = "/t.S/Echo"

const handlers = new Map<string, GrpcHandler>([[path, GrpcHandler.Unary({ handle: Effect.succeed })]])

// The headers that begin the response to a call.
const headersOf = (headers: Record<string, string>) =>
  Effect.gen(function*() {
    const endpoint = yield* GrpcServer.serve(handlers, { host: "127.0.0.1", port: 0 })
    const session = yield* raw.connect(Endpoint.format(endpoint).replace(/^tcp:/, "http://"))
    return yield* Effect.async<ReadonlyMap<string, unknown>>((resume) => {
      const stream = raw.begin(session, { path, headers, body: raw.prefixed(utf8("x")) })
      stream.on("response", (response) => resume(Effect.succeed(new Map(Object.entries(response))))).resume()
    })
  })

describe("the headers of a response", () => {
  it.scopedLive("are those of gRPC alone", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual([...yield* headersOf({})], [[":status", 200], ["content-type", "application/grpc"]])
    }))

  it.scopedLive("say which compression is accepted when a call is refused", () =>
    Effect.gen(function*() {
      const headers = yield* headersOf({ "grpc-encoding": "gzip" })
      assert.strictEqual(headers.get("grpc-status"), "12")
      assert.strictEqual(headers.get("grpc-accept-encoding"), "identity")
    }))
})
