// A server of bytes for a test. It sends any bytes, and keeps the received bytes unchanged.
import { Effect, type Scope } from "effect"
import { createServer, type Server, type Socket } from "node:net"

export interface RawHttp {
  readonly port: number
  /** The head of each request. */
  readonly heads: ReadonlyArray<string>
}

/** Calls `answer` when the head of a request has arrived, with the bytes behind it. */
export const serve = (
  answer: (socket: Socket, rest: string) => void,
  port = 0,
  make: (listener: (socket: Socket) => void) => Server = createServer
): Effect.Effect<RawHttp, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<RawHttp & { readonly close: () => void }>((resume) => {
      const heads: Array<string> = []
      const sockets = new Set<Socket>()
      const server = make((socket) => {
        sockets.add(socket)
        // In many tests the client leaves in the middle.
        socket.on("error", () => {}).on("close", () => sockets.delete(socket))
        let text = ""
        const onData = (data: Uint8Array) => {
          text += Buffer.from(data).toString("latin1")
          const end = text.indexOf("\r\n\r\n")
          if (end < 0) return
          socket.off("data", onData)
          heads.push(text.slice(0, end))
          answer(socket, text.slice(end + 4))
        }
        socket.on("data", onData)
      })
      server.listen(port, "127.0.0.1", () => {
        const address = server.address()
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ heads, close, port: typeof address === "object" ? address?.port ?? 0 : 0 }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
