// A Unix socket in front of another one. A test can listen to its connections, cut them and silence them.
import { Effect, type Scope } from "effect"
import * as net from "node:net"

export interface Relay {
  /** Cuts every open connection abruptly. */
  readonly cut: Effect.Effect<void>
  /** Stops all traffic on the open connections, which stay open. New connections work. */
  readonly silence: Effect.Effect<void>
}

/** Listens at one path and connects to another, until the scope closes. `listen` receives the callers' bytes. */
export const make = (
  path: string,
  target: string,
  listen: (caller: net.Socket) => void = () => {}
): Effect.Effect<Relay, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sockets = new Set<net.Socket>()
    const keep = (socket: net.Socket) => {
      sockets.add(socket)
      // The other end of a cut connection reports an error, as intended.
      socket.on("error", () => {}).once("close", () => sockets.delete(socket))
      return socket
    }
    const silence = Effect.sync(() =>
      sockets.forEach((socket) => {
        socket.unpipe()
        socket.pause()
      })
    )
    const cut = Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
    yield* Effect.acquireRelease(
      Effect.async<net.Server>((resume) => {
        const server = net.createServer((near) => {
          const far = keep(net.connect(target))
          listen(near)
          keep(near).pipe(far).pipe(near)
        })
        server.listen(path, () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.zipRight(cut, Effect.async<void>((resume) => void server.close(() => resume(Effect.void))))
    )
    return { cut, silence }
  })
