// A service in memory or on a socket that can stop and start again.
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Endpoint from "../../grpc/Endpoint.ts"
import type { GrpcHandlers } from "../../grpc/GrpcHandler.ts"
import type { GrpcStatusError } from "../../grpc/GrpcStatus.ts"
import * as hostPort from "../../grpc/hostPort.ts"
import * as GrpcChannel from "../../transport/GrpcChannel.ts"
import type * as GrpcServer from "../../transport/GrpcServer.ts"
import * as httpServer from "../../transport/http2/server.ts"
import * as memoryTransport from "../../transport/memory/transport.ts"
import * as Faults from "../Faults.ts"

export interface Process {
  readonly channel: GrpcChannel.Channel
  /** The address, as in configuration files. */
  readonly address: string
  /** Stops the service immediately: open RPCs fail with `UNAVAILABLE`. */
  readonly down: Effect.Effect<void>
  /** Starts the service again, on the same port. */
  readonly up: Effect.Effect<void, GrpcServer.GrpcServerError>
}

// How many bytes a caller can send before a handler receives them.
const window = 64 * 1024

/** Serves inside this program only. */
export const inMemory = (handlers: GrpcHandlers, address: string): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.gen(function*() {
    const transport = yield* memoryTransport.makeTransport(handlers, address, window)
    const { channel, control } = yield* Faults.make(GrpcChannel.make(transport))
    return { channel, address, down: control.dropConnection, up: control.restore }
  })

/**
 * Serves on a socket, with a limit of open RPCs for each connection. The server passes messages of any size to the handlers, which
 * refuse large ones as Go does.
 */
export const onSocket = (
  handlers: GrpcHandlers,
  listen: GrpcServer.Listen,
  maxConcurrentStreams: number
): Effect.Effect<Process, GrpcServer.GrpcServerError | GrpcStatusError, Scope.Scope> =>
  Effect.gen(function*() {
    // Made now: a server that is started later ends after whatever comes next in the scope of the stand-in.
    const servers = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const start = (where: GrpcServer.Listen) =>
      Effect.gen(function*() {
        const scope = yield* Scope.fork(servers, ExecutionStrategy.sequential)
        return {
          scope,
          endpoint: yield* Scope.extend(httpServer.serve(handlers, where, { maxConcurrentStreams }, Infinity), scope)
        }
      })
    let running: { readonly scope: Scope.CloseableScope; readonly endpoint: Endpoint.Endpoint } = yield* start(listen)
    const { endpoint } = running
    const again = "path" in listen || endpoint._tag === "Unix" ? listen : { ...listen, port: endpoint.port }
    return {
      channel: yield* GrpcChannel.fromEndpoint(endpoint),
      address: hostPort.formatListen(endpoint),
      down: Effect.suspend(() => Scope.close(running.scope, Exit.void)),
      up: Effect.map(start(again), (started) => {
        running = started
      })
    }
  })
