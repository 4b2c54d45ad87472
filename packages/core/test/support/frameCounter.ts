// A Unix socket in front of another one that counts the HTTP/2 frames of the callers.
import { Effect, type Scope } from "effect"
import * as net from "node:net"
import { Type } from "./rawHttp2.ts"

const prefaceBytes = 24

const headerBytes = 9

/** Answers how many frames of a type there were so far. */
export const make = (
  path: string,
  target: string
): Effect.Effect<(type: keyof typeof Type) => number, never, Scope.Scope> =>
  Effect.gen(function*() {
    const counts = new Map<number, number>()
    const sockets = new Set<net.Socket>()
    const keep = (socket: net.Socket) => {
      sockets.add(socket)
      return socket.on("error", () => {})
    }
    const count = (socket: net.Socket) => {
      let seen: Buffer = Buffer.alloc(0)
      let skip = prefaceBytes
      socket.on("data", (bytes) => {
        seen = Buffer.concat([seen, bytes])
        while (seen.length >= skip + headerBytes) {
          const type = seen.readUInt8(skip + 3)
          counts.set(type, (counts.get(type) ?? 0) + 1)
          skip += headerBytes + seen.readUIntBE(skip, 3)
        }
        const passed = Math.min(skip, seen.length)
        seen = seen.subarray(passed)
        skip -= passed
      })
    }
    yield* Effect.acquireRelease(
      Effect.async<net.Server>((resume) => {
        const server = net.createServer((near) => {
          count(near)
          keep(near).pipe(keep(net.connect(target))).pipe(near)
        })
        server.listen(path, () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          sockets.forEach((socket) => socket.destroy())
          server.close(() => resume(Effect.void))
        })
    )
    return (type) => counts.get(Type[type]) ?? 0
  })
