import { Driver, DriverFailure } from "@effect-jumpstarter/core"
import { Network } from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, Layer, Logger, Stream } from "effect"
import { existsSync, statSync } from "node:fs"
import { createConnection, type Socket } from "node:net"
import * as net from "node:net"
import { concat, numbered, text, utf8 } from "../support/bytes.ts"
import * as temporary from "../support/temporary.ts"
import { connect } from "./support.ts"

const network = (open: Extract<Driver.DriverHandler, { readonly _tag: "Stream" }>["open"]) =>
  Driver.make({
    client: Network.contract.client,
    methods: { connect: Driver.stream(open), address: Driver.call(() => Effect.succeed("tcp://10.0.0.7:22")) }
  })

// Sends everything back once the client has ended its direction, so that a half-close must not close the connection.
const reverseEcho = Driver.make({
  client: Network.contract.client,
  methods: {
    connect: Driver.streamTransform((input) =>
      Stream.unwrap(Effect.map(Stream.runCollect(input), (chunks) => Stream.fromIterable(Chunk.reverse(chunks))))
    )
  }
})

const echo = Driver.make({
  client: Network.contract.client,
  methods: { connect: Driver.streamTransform((input) => input) }
})

const dial = (port: number) =>
  Effect.acquireRelease(
    Effect.async<Socket>((resume) => {
      const socket: Socket = createConnection({ host: "127.0.0.1", port, allowHalfOpen: true }, () =>
        resume(Effect.succeed(socket)))
      socket.on("error", () => {})
    }),
    (socket) =>
      Effect.sync(() => socket.destroy())
  )

const received = (socket: Socket): Effect.Effect<Uint8Array> =>
  Effect.async((resume) => {
    const chunks: Array<Uint8Array> = []
    const finish = () => resume(Effect.succeed(concat(chunks)))
    socket.on("data", (chunk) => chunks.push(chunk)).once("end", finish).once("close", finish)
  })

const quiet = Effect.provide(Layer.mergeAll(Logger.remove(Logger.defaultLogger)))

describe("Network", () => {
  it.scoped("connects, and returns its address", () =>
    Effect.gen(function*() {
      const client = yield* connect(Network.contract, network(DriverFailure.make("Connection", "refused")))
      assert.strictEqual(yield* client.address(), "tcp://10.0.0.7:22")
      const error = yield* Effect.flip(client.connect())
      assert.strictEqual(error.code, "UNAVAILABLE")
    }))

  it.scopedLive("forwards a half-close, and the reply still arrives", () =>
    Effect.gen(function*() {
      const client = yield* connect(Network.contract, reverseEcho)
      const { host, port } = yield* Network.portForward(client)
      assert.strictEqual(host, "127.0.0.1")
      const socket = yield* dial(port)
      const answer = yield* Effect.fork(received(socket))
      socket.end("hello")
      assert.strictEqual(text(yield* Fiber.join(answer)), "hello")
    }))

  // As happens when the process has no file descriptors left.
  it.scopedLive("keeps the port open when connections cannot be accepted", () =>
    Effect.gen(function*() {
      const client = yield* connect(Network.contract, reverseEcho)
      const servers: Array<net.Server> = []
      const { listen } = net.Server.prototype
      const { port } = yield* Effect.acquireUseRelease(
        Effect.sync(() => {
          net.Server.prototype.listen = function(this: net.Server, ...args: ReadonlyArray<unknown>): net.Server {
            servers.push(this)
            return Reflect.apply(listen, this, args)
          }
        }),
        () => Network.portForward(client),
        () =>
          Effect.sync(() => {
            net.Server.prototype.listen = listen
          })
      )
      assert.lengthOf(servers, 1)
      for (let i = 0; i < 2; i++) servers[0]?.emit("error", new Error("accept EMFILE"))
      const socket = yield* dial(port)
      const answer = yield* Effect.fork(received(socket))
      socket.end("hello")
      assert.strictEqual(text(yield* Fiber.join(answer)), "hello")
    }))

  it.scopedLive("opens one driver connection per local connection, and moves megabytes in order", () =>
    Effect.gen(function*() {
      const client = yield* connect(Network.contract, echo)
      const { port } = yield* Network.portForward(client)
      const content = concat(Array.from({ length: 2000 }, (_, index) => numbered(index, 1000)))
      yield* Effect.forEach([1, 2, 3], () =>
        Effect.gen(function*() {
          const socket = yield* dial(port)
          const answer = yield* Effect.fork(received(socket))
          socket.end(content)
          assert.isTrue(Buffer.from(yield* Fiber.join(answer)).equals(content))
        }), { concurrency: "unbounded" })
    }))

  it.scopedLive("closes the driver's connection when the local one is reset, and the local one when the driver cannot connect", () =>
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      const opened = yield* Deferred.make<void>()
      let refuse = false
      const client = yield* connect(
        Network.contract,
        network(Effect.suspend(() =>
          refuse
            ? DriverFailure.make("Connection", "refused")
            : Effect.acquireRelease(
              Effect.as(Deferred.succeed(opened, undefined), {
                read: Stream.never,
                write: () => Effect.void,
                end: Effect.void
              }),
              () => Deferred.succeed(closed, undefined)
            )
        ))
      )
      const { port } = yield* Network.portForward(client)
      const socket = yield* dial(port)
      yield* Deferred.await(opened)
      socket.resetAndDestroy()
      yield* Deferred.await(closed)
      refuse = true
      const refused = yield* dial(port)
      assert.lengthOf(yield* received(refused), 0)
    }).pipe(quiet))

  it.scopedLive("releases the port and closes the connections with the scope", () =>
    Effect.gen(function*() {
      const client = yield* connect(Network.contract, echo)
      const cut = yield* Effect.scoped(Effect.gen(function*() {
        const { port } = yield* Network.portForward(client)
        const socket = yield* Effect.sync(() => createConnection({ host: "127.0.0.1", port }).on("error", () => {}))
        const ended = yield* Effect.fork(received(socket))
        socket.write("x")
        yield* Effect.async<void>((resume) => void socket.once("data", () => resume(Effect.void)))
        const taken = yield* Effect.flip(Network.portForward(client, { port }))
        assert.match(taken.message, new RegExp(`^cannot listen on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE`))
        return { ended, port }
      }))
      yield* Network.portForward(client, { port: cut.port })
    }))

  it.scopedLive("forwards a socket that only this user can connect to, and removes it with the scope", () =>
    Effect.gen(function*() {
      const client = yield* connect(Network.contract, reverseEcho)
      const directory = yield* temporary.directory
      const chosen = `${directory}/bus`
      const paths = yield* Effect.scoped(Effect.gen(function*() {
        const forwarded = [yield* Network.unixForward(client), yield* Network.unixForward(client, { path: chosen })]
        for (const { path } of forwarded) {
          assert.strictEqual(statSync(path).mode & 0o777, 0o600)
          const socket = yield* Effect.acquireRelease(
            Effect.sync(() => createConnection({ path, allowHalfOpen: true })),
            (socket) => Effect.sync(() => socket.destroy())
          )
          const answer = yield* Effect.fork(received(socket))
          socket.end("hello")
          assert.strictEqual(text(yield* Fiber.join(answer)), "hello")
        }
        const taken = yield* Effect.flip(Network.unixForward(client, { path: chosen }))
        assert.include(taken.message, `cannot listen on ${chosen}: EADDRINUSE`)
        return forwarded.map(({ path }) => path)
      }))
      assert.strictEqual(paths[1], chosen)
      for (const path of paths) assert.isFalse(existsSync(path))
      const nowhere = yield* Effect.flip(Network.unixForward(client, { path: `${directory}/none/bus` }))
      assert.include(nowhere.message, "does not exist")
    }))

  it.scoped("joins two streams until both have ended", () =>
    Effect.gen(function*() {
      const said: Array<string> = []
      const side = (name: string, ...words: ReadonlyArray<string>) => ({
        read: Stream.map(Stream.fromIterable(words), utf8),
        write: (bytes: Uint8Array) => Effect.sync(() => said.push(`${name} hears ${text(bytes)}`)),
        end: Effect.sync(() => said.push(`${name} hears the end`))
      })
      yield* Network.join(side("left", "a"), side("right", "b", "c"))
      assert.sameMembers(said, [
        "right hears a",
        "right hears the end",
        "left hears b",
        "left hears c",
        "left hears the end"
      ])
    }))
})
