// A local TCP port or Unix socket as byte streams, one for each connection. A `Socket` of @effect/platform closes both directions when
// the peer ends its own, and has no backpressure; a forwarded port needs half-close and backpressure.
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { createServer, type Server, type Socket } from "node:net"
import * as hostPort from "../grpc/hostPort.ts"
import type { ByteStream } from "../protocol/ByteStream.ts"
import * as socketFile from "../transport/socketFile.ts"
import * as socketPath from "../transport/socketPath.ts"
import * as pull from "../util/pull.ts"
import * as readable from "../util/readable.ts"

const toError = (cause: unknown): Error => cause instanceof Error ? cause : new Error(String(cause))

const toByteStream = (socket: Socket): Effect.Effect<ByteStream<Error>, never, Scope.Scope> =>
  Effect.map(
    readable.make(socket, toError, () => new Error("the connection was closed")),
    (next) => ({
      read: pull.values(next),
      write: (bytes) =>
        Effect.async((resume) => {
          socket.write(bytes, (error) => resume(error ? Effect.fail(error) : Effect.void))
        }),
      end: Effect.async((resume) => {
        if (socket.destroyed || socket.writableEnded) resume(Effect.void)
        else socket.end(() => resume(Effect.void))
      })
    })
  )

/** Where to listen. Port 0 lets the system choose. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string }

// Only this user can connect to the socket of a path.
const open = (server: Server, place: Place): Effect.Effect<() => void, Error> => {
  if ("path" in place) {
    return Effect.mapBoth(socketFile.listen(server, place.path), {
      onFailure: ({ error }) => toError(error),
      onSuccess: ({ release, remove }) => () => {
        remove()
        server.close(release)
      }
    })
  }
  return Effect.async((resume) => {
    // Later errors are about connections that could not be accepted.
    server.on("error", (error) => resume(Effect.fail(error)))
    server.listen({ ...place, exclusive: true }, () => resume(Effect.succeed(() => server.close())))
  })
}

// Listens until the scope closes, and returns the port. Each connection stays open while its handler runs.
export const listen = <R>(
  place: Place,
  handle: (connection: ByteStream<Error>) => Effect.Effect<void, never, R | Scope.Scope>
): Effect.Effect<number, Error, R | Scope.Scope> =>
  Effect.gen(function*() {
    const problem = "path" in place ? socketPath.problemToListen(place.path) : hostPort.problem(place, 0)
    if (problem !== undefined) return yield* Effect.fail(toError(problem))
    const run = yield* FiberSet.makeRuntime<Exclude<R, Scope.Scope>, void>()
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      // Reads and writes report errors; without a listener an error would end the process.
      socket.on("error", () => {})
      // The runtime also captures interruptibility, and a port may be opened in an acquisition that cannot be
      // interrupted.
      run(Effect.interruptible(Effect.ensuring(
        Effect.scoped(Effect.flatMap(toByteStream(socket), handle)),
        Effect.sync(() => socket.destroy())
      )))
    })
    yield* Effect.acquireRelease(open(server, place), (close) => Effect.sync(close))
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  })
