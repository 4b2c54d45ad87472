// How many bytes a client may have in flight to a server: as many as both can handle, see transport/http2/service.ts.
import { describe, it } from "@effect/vitest"
import { strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import * as raw from "../support/rawGrpc.ts"
import * as temporary from "../support/temporary.ts"

const rpc = "/test.Service/Method"

const handlers = new Map([[rpc, GrpcHandler.Unary({ handle: (message) => Effect.succeed(message) })]])

const listens = {
  "a Unix socket": Effect.map(temporary.socketPath, (path) => ({ path })),
  TCP: Effect.succeed({ host: "127.0.0.1", port: 0 })
}

describe("the window of a connection", () => {
  const widths = { wide: 16 * 1024 * 1024, narrow: process.platform === "linux" ? 96 * 1024 : 65_535, least: 65_535 }

  it.each<[keyof typeof listens, string, "little" | "much", keyof typeof widths]>([
    ["a Unix socket", "grpc-python-asyncio/1.84.0 grpc-c/54.0.0 (linux; chttp2)", "much", "wide"],
    ["a Unix socket", "grpc-go/1.70.0", "much", "wide"],
    ["a Unix socket", "grpc-node-js/1.14.0", "little", "wide"],
    ["a Unix socket", "grpc-node-js/1.14.0", "much", "narrow"],
    ["a Unix socket", "", "little", "narrow"],
    ["a Unix socket", "", "much", "narrow"],
    ["TCP", "grpc-python/1.84.0 grpc-c/54.0.0 (linux; chttp2)", "much", "wide"],
    ["TCP", "grpc-node-js/1.14.0", "little", "wide"],
    ["TCP", "grpc-node-js/1.14.0", "much", "least"],
    ["TCP", "", "much", "wide"]
  ])(
    "over %s to a client called %j that grants %s is %s",
    (listen, userAgent, grants, width) =>
      Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const endpoint = yield* GrpcServer.serve(handlers, yield* listens[listen])
        const session = yield* raw.connect("http://localhost", {
          createConnection: () =>
            endpoint._tag === "Unix" ? Net.connect(endpoint.path) : Net.connect(endpoint.port, endpoint.host)
        })
        yield* Effect.async<void>((resume) => {
          session.once("remoteSettings", () => resume(Effect.void))
        })
        if (grants === "much") session.setLocalWindowSize(1024 * 1024)
        yield* raw.ask(session, {
          path: rpc,
          headers: userAgent === "" ? {} : { "user-agent": userAgent },
          body: raw.prefixed(new Uint8Array())
        })
        // The answer to a ping comes after the window update.
        yield* Effect.async<void>((resume) => {
          session.ping(() => resume(Effect.void))
        })
        // A message was sent, of which there is only the prefix.
        strictEqual((session.state.remoteWindowSize ?? 0) + 5, widths[width])
      })))
  )
})
