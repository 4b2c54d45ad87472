// A server in its own process, for tests that kill it: `node server.mjs unix PATH | tcp`. It prints its endpoint.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Stream } from "effect"
import { GrpcHandler, type GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"

const first = new TextEncoder().encode("first")

const handlers: GrpcHandlers = new Map<string, GrpcHandler>([
  ["/test.Service/Echo", GrpcHandler.Unary({ handle: Effect.succeed })],
  ["/test.Service/Hang", GrpcHandler.Unary({ handle: () => Effect.never })],
  [
    "/test.Service/Stream",
    GrpcHandler.ServerStreaming({ handle: () => Stream.concat(Stream.make(first), Stream.never) })
  ],
  [
    "/test.Service/Duplex",
    GrpcHandler.Duplex({ handle: ({ send }) => Effect.zipRight(send(first), Effect.never) })
  ],
  ["/test.Service/Silent", GrpcHandler.Duplex({ handle: () => Effect.never })]
])

const [kind, path = ""] = process.argv.slice(2)

Effect.gen(function*() {
  const endpoint = yield* GrpcServer.serve(handlers, kind === "unix" ? { path } : { host: "127.0.0.1", port: 0 })
  process.stdout.write(`${JSON.stringify(endpoint)}\n`)
  return yield* Effect.never
}).pipe(Effect.scoped, NodeRuntime.runMain)
