// HTTP/2 by hand over any byte stream, to send bytes that no implementation would send.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import type { Duplex } from "node:stream"
import * as tls from "node:tls"

export const Type = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9
}

export const Flag = { endStream: 1, ack: 1, endHeaders: 4 }

export const frame = (type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer => {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

export const repeat = (times: number, bytes: Uint8Array | ((index: number) => Uint8Array)): Buffer =>
  Buffer.concat(Array.from({ length: times }, (_, index) => typeof bytes === "function" ? bytes(index) : bytes))

export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** An integer of HPACK and its string literals, with a prefix of seven bits. */
const length = (value: number): Buffer => {
  if (value < 127) return Buffer.from([value])
  const bytes = [127]
  let rest = value - 127
  for (; rest > 0x7f; rest >>>= 7) bytes.push(rest & 0x7f | 0x80)
  return Buffer.from([...bytes, rest])
}

const literal = (value: string): Buffer => Buffer.concat([length(Buffer.byteLength(value)), Buffer.from(value)])

/** A header field; `indexed` puts it into the receiver's table. */
export const header = (name: string, value: string, indexed = false): Buffer =>
  Buffer.concat([Buffer.from([indexed ? 0x40 : 0]), literal(name), literal(value)])

/** The header block of an RPC. */
export const block = (path: string, headers: Readonly<Record<string, string>> = {}): Buffer =>
  Buffer.concat(
    Object.entries({
      ":method": "POST",
      ":scheme": "http",
      ":path": path,
      ":authority": "victim",
      "content-type": "application/grpc",
      te: "trailers",
      ...headers
    }).map(([name, value]) => header(name, value))
  )

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

/** The beginning of every connection. */
export const hello = Buffer.concat([preface, frame(Type.settings, 0, 0)])

export const call = (stream: number, path: string, headers: Readonly<Record<string, string>> = {}): Buffer =>
  frame(Type.headers, Flag.endHeaders, stream, block(path, headers))

/** Reads frames from pieces of any size, after a number of other bytes. */
export const reader = (
  onFrame: (type: number, flags: number, stream: number, payload: Buffer) => void,
  skip = 0
): (bytes: Uint8Array) => void => {
  let received: Buffer = Buffer.alloc(0)
  let left = skip
  return (bytes) => {
    received = Buffer.concat([received, bytes])
    const skipped = Math.min(left, received.length)
    left -= skipped
    received = received.subarray(skipped)
    while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
      const frame = received
      const end = 9 + frame.readUIntBE(0, 3)
      received = frame.subarray(end)
      onFrame(frame.readUInt8(3), frame.readUInt8(4), frame.readUInt32BE(5), frame.subarray(9, end))
    }
  }
}

/** What a peer has lost. */
export type Verdict = "the connection" | "the RPC" | "nothing"

const lastWords = Buffer.from("lastword")

const ping = frame(Type.ping, 0, 0, lastWords)

// As close to a killed peer as possible: Node can reset only TCP.
const cutOff = (socket: net.Socket) =>
  socket instanceof tls.TLSSocket || socket.remoteFamily === undefined ? socket.destroy() : socket.resetAndDestroy()

/** A connection, which the scope cuts off. */
export const dial = (connect: () => net.Socket): Effect.Effect<net.Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    // If the server cuts the connection off during a write, the socket reports a reset.
    Effect.sync(() => connect().on("error", () => {})),
    (socket) => Effect.sync(() => cutOff(socket))
  )

/** A new connection, which the scope cuts off. */
export type Dial = Effect.Effect<Duplex, never, Scope.Scope>

/** Connects to a port of this machine. */
export const dialPort = (port: number): Dial => dial(() => net.connect(port, "127.0.0.1"))

/**
 * Connects, sends bytes, and listens until the server has received all of them or hangs up. A server may take some turns of its event
 * loop to hang up, so an expected end of the connection is waited for.
 */
export const say = (dial: Dial, bytes: Uint8Array, expected: Verdict): Effect.Effect<Verdict> =>
  Effect.scoped(
    Effect.flatMap(dial, (socket) =>
      Effect.async<Verdict>((resume) => {
        let verdict: Verdict = "nothing"
        let asked = false
        const onFrame = (type: number, flags: number, _stream: number, payload: Buffer) => {
          if (type === Type.reset) verdict = "the RPC"
          if (type === Type.goAway) resume(Effect.succeed("the connection"))
          // A slow server checks with a ping whether the client is still there.
          if (type === Type.ping && flags !== Flag.ack) socket.write(frame(Type.ping, Flag.ack, 0, payload))
          if (type === Type.ping && flags === Flag.ack && lastWords.equals(payload)) {
            // Acknowledgements of pings overtake resets. After the second one, all resets have arrived.
            if (!asked) socket.write(ping)
            else if (expected !== "the connection") resume(Effect.succeed(verdict))
            asked = true
          }
        }
        socket
          .on("close", () => resume(Effect.succeed("the connection")))
          .on("end", () => resume(Effect.succeed("the connection")))
          .on("data", reader(onFrame))
          // The server acknowledges a ping after it has read everything before it.
          .write(Buffer.concat([bytes, frame(Type.ping, 0, 0, lastWords)]))
      }))
  )
