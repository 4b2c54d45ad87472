// A Unix socket for other programs, such as `j` or pytest. Each of its connections is a tunnel of its own to the exporter of a lease.
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import { type Duplex, finished } from "node:stream"
import * as Endpoint from "../grpc/Endpoint.ts"
import { cannotListen, type GrpcServerError } from "../transport/listen.ts"
import * as socketDirectory from "../transport/socketDirectory.ts"
import * as socketFile from "../transport/socketFile.ts"
import * as interruptible from "../util/interruptible.ts"

type Open<E> = Effect.Effect<Duplex, E, Scope.Scope>

const ended = (stream: Duplex): Effect.Effect<void, Error> =>
  Effect.async((resume) => {
    finished(stream, (error) => resume(error ? Effect.fail(error) : Effect.void))
  })

/** Passes bytes on in both directions, each with its own end, until both have ended. A side that breaks ends the other one. */
const forwarded = <E>(socket: Net.Socket, open: Open<E>): Effect.Effect<void, E> =>
  Effect.scoped(Effect.flatMap(open, (line) =>
    Effect.suspend(() => {
      socket.pipe(line).pipe(socket)
      return Effect.ignore(interruptible.forEach([socket, line], ended))
    })))

/** Serves until the scope closes, and returns the address of the socket. */
export const serve = <E extends Error>(
  title: string,
  open: Open<E>
): Effect.Effect<Endpoint.Unix, GrpcServerError, Scope.Scope> =>
  Effect.gen(function*() {
    const path = yield* socketDirectory.path
    const run = yield* FiberSet.makeRuntime<never>()
    const server = Net.createServer({ allowHalfOpen: true }, (socket) => {
      // An error that the end of the socket does not report, such as one before the tunnel is open.
      socket.on("error", () => {})
      run(
        Effect.catchAll(forwarded(socket, open), (error) =>
          Effect.logWarning(`a connection to the socket of ${title} could not be forwarded: ${error.message}`)).pipe(
            Effect.ensuring(Effect.sync(() =>
              socket.destroy()
            )),
            Effect.interruptible
          )
      )
    })
    yield* Effect.acquireRelease(
      Effect.mapError(socketFile.listen(server, path), cannotListen(path)),
      ({ release, remove }) =>
        Effect.sync(() => {
          remove()
          server.close(release)
        })
    )
    return Endpoint.unix(path)
  })
