// The serving end of HTTP/2 by hand, to send bytes that no server would send.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as raw from "./rawGrpc.ts"
import { Flag, frame, header, preface, reader, Type } from "./rawHttp2.ts"
import * as temporary from "./temporary.ts"

interface Peer {
  readonly send: (...frames: ReadonlyArray<Uint8Array>) => void
  /** Ends the connection. */
  readonly end: () => void
  /** Called when the connection has ended. */
  readonly onEnd: (listener: () => void) => void
}

/** Connections have numbers from 1. */
export interface Behaviour {
  /** Sends the first bytes. */
  readonly onConnect?: (peer: Peer, connection: number) => void
  /** Called when the headers of a request have arrived. */
  readonly onHeaders?: (peer: Peer, stream: number, connection: number) => void
  /** Called when a request is complete. */
  readonly onRequest?: (peer: Peer, stream: number, connection: number) => void
}

export type Kind = "unix" | "tcp"

export const kinds: ReadonlyArray<Kind> = ["unix", "tcp"]

export const responseHeaders = Buffer.concat([header(":status", "200"), header("content-type", "application/grpc")])

export const settings = frame(Type.settings, 0, 0)

/** The end of an RPC whose messages were sent before. */
export const trailers = (stream: number): Buffer =>
  frame(Type.headers, Flag.endHeaders | Flag.endStream, stream, header("grpc-status", "0"))

/** One message of a response. */
export const message = (stream: number, bytes: Uint8Array = Uint8Array.of(1, 2, 3)): Buffer =>
  frame(Type.data, 0, stream, raw.prefixed(bytes))

/** The response of an RPC with one message. */
export const answer = (stream: number): Buffer =>
  Buffer.concat([
    frame(Type.headers, Flag.endHeaders, stream, responseHeaders),
    message(stream),
    trailers(stream)
  ])

/** The response of an RPC that fails. */
export const failure = (stream: number, code: number, details: string): Buffer => {
  const fields = [responseHeaders, header("grpc-status", String(code)), header("grpc-message", details)]
  return frame(Type.headers, Flag.endHeaders | Flag.endStream, stream, Buffer.concat(fields))
}

/** Listens until the scope closes. */
export const serve = (
  kind: Kind,
  { onConnect = ({ send }) => send(settings), onHeaders, onRequest }: Behaviour
): Effect.Effect<Endpoint.Endpoint, never, Scope.Scope> =>
  Effect.gen(function*() {
    const path = kind === "unix" ? yield* temporary.socketPath : undefined
    const sockets = new Set<net.Socket>()
    let connections = 0
    const accept = (socket: net.Socket): void => {
      const connection = ++connections
      const peer: Peer = {
        send: (...frames) => void socket.write(Buffer.concat(frames)),
        end: () => void socket.end(),
        onEnd: (listener) => void socket.once("close", listener)
      }
      sockets.add(socket)
      socket.on("error", () => {}).on("close", () => sockets.delete(socket))
      socket.on(
        "data",
        reader((type, flags, stream, payload) => {
          if (type === Type.settings && (flags & Flag.ack) === 0) peer.send(frame(Type.settings, Flag.ack, 0))
          if (type === Type.ping && (flags & Flag.ack) === 0) peer.send(frame(Type.ping, Flag.ack, 0, payload))
          if (type === Type.headers) onHeaders?.(peer, stream, connection)
          if ((type === Type.data || type === Type.headers) && (flags & Flag.endStream) !== 0) {
            onRequest?.(peer, stream, connection)
          }
        }, preface.length)
      )
      onConnect(peer, connection)
    }
    const server = yield* Effect.acquireRelease(
      Effect.async<net.Server>((resume) => {
        const server = net.createServer(accept)
        server.listen(path === undefined ? { host: "127.0.0.1", port: 0 } : { path }, () =>
          resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          sockets.forEach((socket) =>
            socket.destroy()
          )
          server.close()
        })
    )
    const address = server.address()
    return typeof address === "object" && address !== null
      ? Endpoint.tcp("127.0.0.1", address.port)
      : Endpoint.unix(path ?? "")
  })
