// A program that ends HTTP/2 connections of this library, at the side that its argument names, while something arrives on them.
import { Effect, Exit, Fiber, Scope } from "effect"
import * as net from "node:net"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import { block, Flag, frame, hello, Type } from "./rawHttp2.ts"
import * as temporary from "./temporary.ts"

const rounds = 50

const message = Uint8Array.of(7)

const handlers = new Map<string, GrpcHandler>([
  ["/t.S/Echo", GrpcHandler.Unary({ handle: Effect.succeed })],
  ["/t.S/Take", GrpcHandler.Duplex({ handle: ({ receive }) => Effect.ignore(receive) })]
])

// The program closes a channel with several RPCs because one of them has ended.
const client = Effect.gen(function*() {
  const path = yield* temporary.socketPath
  yield* GrpcServer.serve(handlers, { path })
  const round = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const channel = yield* Scope.extend(GrpcChannel.fromEndpoint(Endpoint.unix(path)), scope)
    yield* channel.unary("/t.S/Echo", message)
    const echo = Effect.asVoid(channel.unary("/t.S/Echo", message))
    const take = Effect.scoped(Effect.flatMap(
      channel.duplex("/t.S/Take"),
      (duplex) => Effect.zipRight(duplex.send(message), duplex.status)
    ))
    const calls = yield* Effect.forEach([echo, take, echo, take], (call) => Effect.fork(call))
    yield* Effect.raceAll(calls.map((call) => Fiber.join(call)))
    yield* Scope.close(scope, Exit.void)
  })
  yield* Effect.repeatN(round, rounds)
})

const request = frame(Type.headers, Flag.endHeaders | Flag.endStream, 1, block("/t.S/Echo"))

// Requests are on their way to a server, which closes before it reads them.
const server = Effect.gen(function*() {
  const path = yield* temporary.socketPath
  const round = Effect.gen(function*() {
    const scope = yield* Scope.make()
    yield* Scope.extend(GrpcServer.serve(handlers, { path }), scope)
    const sockets = yield* Effect.forEach(Array.from({ length: 10 }), () =>
      Effect.async<net.Socket>((resume) => {
        const socket = net.connect(path).on("error", () => {})
        socket.write(hello)
        // The server's SETTINGS.
        socket.once("data", () => resume(Effect.succeed(socket.resume())))
      }))
    sockets.forEach((socket) => socket.write(request))
    yield* Scope.close(scope, Exit.void)
    sockets.forEach((socket) => socket.destroy())
  })
  yield* Effect.repeatN(round, rounds)
})

const programs: Readonly<Record<string, Effect.Effect<void, unknown, Scope.Scope>>> = { client, server }

await Effect.runPromise(Effect.scoped(programs[process.argv[2] ?? ""] ?? Effect.dieMessage("no such side")))
