// A Unix socket in front of another one, whose connections can be cut.
import { Effect, type Scope } from "effect"
import * as Net from "node:net"

export interface Cutter {
  /** Cuts every connection there is, without a goodbye. */
  readonly cut: Effect.Effect<void>
}

/** Listens at one path and connects to another, until the scope closes. */
export const make = (path: string, target: string): Effect.Effect<Cutter, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sockets = new Set<Net.Socket>()
    const keep = (socket: Net.Socket) => {
      sockets.add(socket)
      // The other end of a connection that was cut complains, which is the point.
      socket.on("error", () => {}).once("close", () => sockets.delete(socket))
      return socket
    }
    const cut = Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
    yield* Effect.acquireRelease(
      Effect.async<Net.Server>((resume) => {
        const server = Net.createServer((near) => {
          const far = keep(Net.connect(target))
          keep(near).pipe(far).pipe(near)
        })
        server.listen(path, () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.zipRight(cut, Effect.async<void>((resume) => void server.close(() => resume(Effect.void))))
    )
    return { cut }
  })
