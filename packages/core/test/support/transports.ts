// The ways in which a client can reach handlers. A suite is a function of one of them.
import { it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import type { GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import type { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import * as certificates from "./certificates.ts"
import * as duplex from "./duplex.ts"
import * as rawServer from "./rawServer.ts"
import * as temporary from "./temporary.ts"

type Channel = GrpcChannel.Channel

type Open = () => Effect.Effect<Channel, GrpcStatusError, Scope.Scope>

export interface Transport {
  readonly name: "memory" | "duplex" | rawServer.Kind | `${rawServer.Kind} through grpc-js`
  /** Tests with a socket need the real clock. */
  readonly it: typeof it.scopedLive
  /** Serves handlers until the scope closes, and returns an effect that opens a channel to them. */
  readonly serve: (handlers: GrpcHandlers) => Effect.Effect<Open, GrpcServer.GrpcServerError, Scope.Scope>
}

const localhost = { host: "127.0.0.1", port: 0 } as const

const memory: Transport = {
  name: "memory",
  it: it.scoped,
  serve: (handlers) => Effect.succeed(() => GrpcChannel.fromHandlers(handlers))
}

const overDuplex: Transport = {
  name: "duplex",
  it: it.scopedLive,
  serve: (handlers) => Effect.map(duplex.serve(handlers), (dial) => () => duplex.channel(dial))
}

const listen = Effect.fnUntraced(function*(kind: rawServer.Kind, handlers: GrpcHandlers) {
  switch (kind) {
    case "unix":
      return yield* GrpcServer.serve(handlers, { path: yield* temporary.socketPath })
    case "tcp":
      return yield* GrpcServer.serve(handlers, localhost)
    case "tls": {
      const { ca, certificate } = yield* certificates.localhost
      const endpoint = yield* GrpcServer.serve(handlers, { ...localhost, certificate })
      if (endpoint._tag !== "Tls") return yield* Effect.dieMessage(`${endpoint._tag} instead of Tls`)
      return Endpoint.tls(endpoint.host, endpoint.port, Endpoint.Trust.CertificateAuthority({ ca }))
    }
  }
})

const socket = (kind: rawServer.Kind): Transport => ({
  name: kind,
  it: it.scopedLive,
  serve: (handlers) => Effect.map(listen(kind, handlers), (endpoint) => () => GrpcChannel.fromEndpoint(endpoint))
})

const grpcJs = (kind: rawServer.Kind): Transport => ({
  name: `${kind} through grpc-js`,
  it: it.scopedLive,
  serve: (handlers) =>
    Effect.map(
      listen(kind, handlers),
      (endpoint) => () => GrpcChannel.fromEndpoint(endpoint, { transport: "nice-grpc" })
    )
})

export const transports: ReadonlyArray<Transport> = [
  memory,
  overDuplex,
  ...rawServer.kinds.map(socket),
  ...rawServer.kinds.map(grpcJs)
]
