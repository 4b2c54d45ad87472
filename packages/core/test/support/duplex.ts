// Handlers behind connections that are not sockets: each connection is a pair of ends in this process.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Duplex } from "node:stream"
import type { GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import type { Dialler } from "../../src/transport/http2/dialler.ts"
import * as service from "../../src/transport/http2/service.ts"
import * as transport from "../../src/transport/http2/transport.ts"
import * as lines from "./lines.ts"

export const target = "duplex"

/** A dialler for a way to dial. */
export const dialler = (dial: Dialler["dial"]): Dialler => ({
  target,
  origin: "http://localhost",
  takesAll: false,
  tellsLoss: false,
  dial,
  explain: ({ message }) => message
})

export const channel = (dial: Dialler["dial"]): Effect.Effect<GrpcChannel.Channel, never, Scope.Scope> =>
  Effect.map(transport.make(dialler(dial), "10 seconds"), GrpcChannel.make)

/** Serves handlers, and returns an effect that dials them. */
export const serve = (handlers: GrpcHandlers): Effect.Effect<Effect.Effect<Duplex>, never, Scope.Scope> =>
  Effect.map(service.accept(handlers), (accept) =>
    Effect.suspend(() => {
      const [mine, theirs] = lines.pair()
      // The fiber ends with the connection, which the service ends.
      return Effect.as(Effect.forkDaemon(accept(theirs)), mine)
    }))
