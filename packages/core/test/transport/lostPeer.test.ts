// A peer that is gone while a server still has bytes for it.
import { describe, it } from "@effect/vitest"
import { strictEqual } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as net from "node:net"
import * as tls from "node:tls"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import * as certificates from "../support/certificates.ts"
import * as rawHttp2 from "../support/rawHttp2.ts"
import * as temporary from "../support/temporary.ts"

const { Flag, Type, call, frame, preface, uint32 } = rawHttp2

const window = 1 << 30

// What a client sends that is ready for a gigabyte.
const request = Buffer.concat([
  preface,
  frame(Type.settings, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(window)])),
  frame(Type.windowUpdate, 0, 0, uint32(window)),
  call(1, "/t.S/Download"),
  frame(Type.data, Flag.endStream, 1, Buffer.alloc(5))
])

const connections = {
  unix: Effect.map(temporary.socketPath, (path) => ({ listen: { path }, connect: () => net.connect(path) })),
  tcp: Effect.succeed({
    listen: { host: "127.0.0.1", port: 0 },
    connect: (port: number) => net.connect(port, "127.0.0.1")
  }),
  tls: Effect.map(certificates.localhost, ({ certificate }) => ({
    listen: { host: "127.0.0.1", port: 0, certificate },
    connect: (port: number) =>
      tls.connect({ port, host: "127.0.0.1", ALPNProtocols: ["h2"], rejectUnauthorized: false })
  }))
}

describe("a client that vanishes while it reads nothing", () => {
  for (const [name, connection] of Object.entries(connections)) {
    it.scopedLive(`ends its RPC over ${name}`, () =>
      Effect.gen(function*() {
        const { connect, listen } = yield* connection
        const ended = yield* Deferred.make<Exit.Exit<void, unknown>>()
        let sent = 0
        const handlers = new Map([[
          "/t.S/Download",
          GrpcHandler.Duplex({
            handle: ({ send }) =>
              Effect.onExit(
                Effect.forever(Effect.zipRight(send(new Uint8Array(65_536)), Effect.sync(() => sent++))),
                (exit) => Deferred.succeed(ended, Exit.asVoid(exit))
              )
          })
        ]])
        const endpoint = yield* GrpcServer.serve(handlers, listen)
        const client = yield* Scope.make()
        const socket = yield* Scope.extend(
          rawHttp2.dial(() => connect(endpoint._tag === "Unix" ? 0 : endpoint.port)),
          client
        )
        socket.write(request)
        // The server sends until the buffers of the system are full.
        let last = 0
        yield* Effect.repeat(Effect.sync(() => sent), {
          schedule: Schedule.spaced("100 millis"),
          until: (sent) => {
            const isStuck = sent > 0 && sent === last
            last = sent
            return isStuck
          }
        })
        yield* Scope.close(client, Exit.void)
        strictEqual(Exit.isFailure(yield* Deferred.await(ended)), true)
      }), 15_000)
  }
})
