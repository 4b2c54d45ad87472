import { describe, it } from "@effect/vitest"
import { strictEqual } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { randomBytes } from "node:crypto"
import * as Net from "node:net"
import { Duplex } from "node:stream"
import * as Tls from "node:tls"
import { EagerSocket } from "../../../src/transport/http2/eagerSocket.ts"
import * as certificates from "../../support/certificates.ts"
import * as temporary from "../../support/temporary.ts"

const mebibyte = 1024 * 1024

const block = Buffer.alloc(mebibyte)

/** Both ends of a connection. The peer reads nothing until the test starts it. */
const pair = Effect.gen(function*() {
  const path = yield* temporary.socketPath
  const accepted = yield* Deferred.make<Net.Socket>()
  yield* Effect.acquireRelease(
    Effect.async<Net.Server>((resume) => {
      const server = Net.createServer((socket) => Deferred.unsafeDone(accepted, Exit.succeed(socket)))
      server.listen(path, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const peer = yield* Effect.acquireRelease(
    Effect.sync(() => Net.connect(path).pause()),
    (peer) => Effect.sync(() => peer.destroy())
  )
  const socket = new EagerSocket(yield* Deferred.await(accepted))
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
  return { peer, socket }
})

/** Both ends of a connection over TLS. */
const encryptedPair = Effect.gen(function*() {
  const { ca, certificate: { chain, privateKey } } = yield* certificates.localhost
  const accepted = yield* Deferred.make<Tls.TLSSocket>()
  const server = yield* Effect.acquireRelease(
    Effect.async<Tls.Server>((resume) => {
      const server = Tls.createServer(
        { cert: chain, key: Redacted.value(privateKey) },
        (socket) => Deferred.unsafeDone(accepted, Exit.succeed(socket))
      )
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const address = server.address()
  const port = address === null || typeof address === "string" ? 0 : address.port
  const peer = yield* Effect.acquireRelease(
    Effect.sync(() => Tls.connect({ host: "127.0.0.1", port, ca, servername: "localhost" })),
    (peer) => Effect.sync(() => peer.destroy())
  )
  const socket = new EagerSocket(yield* Deferred.await(accepted))
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
  return { peer, socket }
})

/** Reads as Node's HTTP/2 does: a piece belongs to the reader only while it gets it. */
const read = (socket: EagerSocket, size: number) =>
  Effect.async<Buffer>((resume) => {
    const all = Buffer.alloc(size)
    let filled = 0
    socket.on("data", (bytes: Uint8Array) => {
      all.set(bytes, filled)
      filled += bytes.length
      if (filled === size) resume(Effect.succeed(all))
    })
  })

const once = (socket: EagerSocket | Net.Socket, event: string) =>
  Effect.async<void>((resume) => {
    socket.once(event, () => resume(Effect.void))
  })

const write = (socket: EagerSocket, mebibytes: number) =>
  Effect.async<void>((resume) => {
    for (let index = 1; index < mebibytes; index++) socket.write(block)
    socket.write(block, () => resume(Effect.void))
  })

describe("EagerSocket", () => {
  it.scopedLive("completes writes at once, and still reads, while its peer reads nothing", () =>
    Effect.gen(function*() {
      const { peer, socket } = yield* pair
      strictEqual(socket.isFull, false)
      yield* socket.room
      yield* write(socket, 8)
      strictEqual(socket.isFull, true)
      const heard = yield* Effect.fork(once(socket, "data"))
      yield* Effect.yieldNow()
      peer.write("a")
      yield* Fiber.join(heard)
    }))

  // Senders that find it full and have no reason to wait would ask again without giving the event loop a turn.
  it.effect("is not full any more once it is destroyed, whatever is buffered beneath it", () =>
    Effect.gen(function*() {
      const stuck = new Duplex({ read: () => {}, write: () => {} })
      const socket = new EagerSocket(stuck)
      yield* write(socket, 8)
      strictEqual(socket.isFull, true)
      stuck.destroy()
      yield* once(socket, "close")
      strictEqual(stuck.writableLength, 8 * mebibyte)
      strictEqual(socket.isFull, false)
      yield* socket.room
    }))

  it.scopedLive("has room again when its peer has read the buffered bytes", () =>
    Effect.gen(function*() {
      const { peer, socket } = yield* pair
      yield* write(socket, 8)
      const waiting = yield* Effect.fork(socket.room)
      const interrupted = yield* Effect.fork(socket.room)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(interrupted)
      strictEqual(waiting.unsafePoll(), null)
      peer.resume()
      yield* Fiber.join(waiting)
      strictEqual(socket.isFull, false)
    }))

  it.scopedLive("passes on what arrives over TLS, whatever waits meanwhile on another connection", () =>
    Effect.gen(function*() {
      const waiting = yield* encryptedPair
      const other = yield* encryptedPair
      const [first, second] = [randomBytes(mebibyte), randomBytes(mebibyte)]
      waiting.peer.write(first)
      other.peer.write(second)
      yield* Effect.repeat(Effect.sync(() => waiting.socket.readableLength > 0), {
        until: (isMet) => isMet,
        schedule: Schedule.spaced("1 millis")
      })
      strictEqual((yield* read(other.socket, mebibyte)).equals(second), true)
      strictEqual((yield* read(waiting.socket, mebibyte)).equals(first), true)
    }))

  it.scopedLive("wakes all waiting senders when it is closed", () =>
    Effect.gen(function*() {
      const { socket } = yield* pair
      yield* write(socket, 8)
      const waiting = yield* Effect.fork(socket.room)
      yield* Effect.yieldNow()
      socket.destroy()
      yield* Fiber.join(waiting)
      yield* socket.room
    }))
})
