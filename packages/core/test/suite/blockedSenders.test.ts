// A sender waits because the other side does not read. Then the other side leaves.
import {
  Driver,
  type DriverClient,
  DriverFailure,
  Exporter,
  ExporterConnection,
  Resource
} from "@effect-jumpstarter/core"
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, Sink, Stream } from "effect"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import type * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as Probe from "../support/probe.ts"
import * as Sender from "../support/sender.ts"
import { type Transport, transports } from "../support/transports.ts"

type Bytes = Stream.Stream<Uint8Array>

interface Client {
  readonly root: DriverClient.DriverClient
  readonly channel: GrpcChannel.Channel
}

// One way to send: what the exporter serves, which is a method of its driver or another RPC, and how the client uses it.
interface Way {
  readonly method?: Driver.DriverHandler
  readonly rpc?: GrpcHandler
  readonly use: (client: Client) => Effect.Effect<unknown, unknown, Scope.Scope>
}

const path = "/t.S/Method"

// Reads nothing of what a driver writes.
const deaf = Resource.sink(Sink.forEach(() => Effect.never))

const text = "x".repeat(65_536)

const driverSends: Readonly<Record<string, (bytes: Bytes) => Way>> = {
  "the write of a dump": (bytes) => ({
    method: Driver.call(([handle], { resource }) =>
      Effect.scoped(Effect.flatMap(resource(handle), ({ write }) => write(bytes)))
    ),
    use: ({ root }) => Effect.flatMap(root.resource(deaf), (lent) => root.call("method", lent))
  }),
  "an item of a streaming call": (bytes) => ({
    method: Driver.streamingCall(() => Stream.as(bytes, text)),
    use: ({ root }) => Stream.runForEach(root.streamingCall("method"), () => Effect.never)
  }),
  "the output of its device": (bytes) => ({
    method: Driver.stream(Effect.succeed({ read: bytes, write: () => Effect.void, end: Effect.void })),
    use: ({ root }) => Effect.zipRight(root.stream("method"), Effect.never)
  }),
  "a message of an RPC": (bytes) => ({
    rpc: GrpcHandler.Duplex({ handle: ({ send }) => Stream.runForEach(bytes, send) }),
    use: ({ channel }) => Effect.flatMap(channel.duplex(path), ({ status }) => status)
  })
}

type Does = Effect.Effect<void, DriverFailure.DriverFailure>

interface ClientSends {
  readonly way: (bytes: Bytes, does: Does) => Way
  /** The outcome when the driver ends well. A device that says nothing more does not end its byte stream. */
  readonly answered?: string
}

// The driver does other work, and reads nothing.
const clientSends: Readonly<Record<string, ClientSends>> = {
  "the write of a byte stream": {
    way: (bytes, does) => ({
      method: Driver.stream(Effect.succeed({
        read: Stream.fromEffect(Effect.as(does, new Uint8Array())),
        write: () => Effect.never,
        end: Effect.void
      })),
      use: ({ root }) => Effect.flatMap(root.stream("method"), ({ write }) => Stream.runForEach(bytes, write))
    })
  },
  "an upload": {
    way: (bytes, does) => ({
      method: Driver.call(([handle], { resource }) => Effect.scoped(Effect.zipRight(resource(handle), does))),
      use: ({ root }) => Effect.flatMap(root.resource(Resource.source(bytes)), (lent) => root.call("method", lent))
    }),
    answered: "\"_tag\":\"Success\""
  },
  "a message of an RPC": {
    way: (bytes, does) => ({
      rpc: GrpcHandler.Duplex({
        handle: () => Effect.mapError(does, ({ message }) => GrpcStatus.make("UNAVAILABLE", message))
      }),
      use: ({ channel }) => Effect.flatMap(channel.duplex(path), ({ send }) => Stream.runForEach(bytes, send))
    }),
    answered: "the RPC has ended, nothing can be sent"
  }
}

const ends: Readonly<Record<string, { readonly exit: Exit.Exit<void, DriverFailure.DriverFailure>; said?: string }>> = {
  "fails": { exit: Exit.fail(DriverFailure.make("Connection", "the device is gone")), said: "the device is gone" },
  "throws": { exit: Exit.die(new Error("index out of range")), said: "index out of range" },
  "returns": { exit: Exit.void }
}

const scope = Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))

// Both sides, each in its own scope. The client runs in a fiber.
const start = Effect.fnUntraced(function*(transport: Transport, { method, rpc, use }: Way) {
  const [exporter, connection] = [yield* scope, yield* scope]
  const ping = Driver.call(() => Effect.void)
  const driver = Driver.make({ client: "c", methods: method === undefined ? { ping } : { ping, method } })
  const { handlers } = yield* Scope.extend(Exporter.make(driver, { localLogs: false }), exporter)
  const served = rpc === undefined ? handlers : new Map([...handlers, [path, rpc]])
  const open = yield* Scope.extend(transport.serve(served), exporter)
  const channel = yield* Scope.extend(open(), connection)
  const { root } = yield* Scope.extend(ExporterConnection.fromChannel(channel), connection)
  const enough = yield* Deferred.make<void>()
  const running = yield* Effect.scoped(Effect.raceFirst(use({ channel, root }), Deferred.await(enough))).pipe(
    Effect.exit,
    Effect.fork
  )
  return {
    ping: root.call("ping"),
    running,
    leave: {
      "has enough": Deferred.succeed(enough, undefined),
      "is interrupted": Fiber.interrupt(running),
      "closes its connection": Scope.close(connection, Exit.void)
    },
    stop: Scope.close(exporter, Exit.void)
  }
})

const leaves = ["has enough", "is interrupted", "closes its connection"] as const

const suite = (transport: Transport) => {
  const { it } = transport

  // In memory, no server ends the RPCs that are not the exporter's.
  const canStop = ({ rpc }: Way) => rpc === undefined || transport.name !== "memory"

  for (const [what, way] of Object.entries(driverSends)) {
    describe(`a driver that waits in ${what}`, () => {
      for (const how of leaves) {
        it(`is interrupted when its client ${how}`, () =>
          Effect.gen(function*() {
            const sender = yield* Sender.make
            const { leave, ping, running } = yield* start(transport, way(sender.bytes))
            yield* sender.waits(ping)
            yield* leave[how]
            assert.strictEqual(yield* sender.ended, 1)
            yield* Fiber.interrupt(running) // a client that does not read does not notice the end by itself
          }))
      }

      if (!canStop(way(Stream.empty))) return
      it("is interrupted when its exporter stops", () =>
        Effect.gen(function*() {
          const sender = yield* Sender.make
          const { ping, running, stop } = yield* start(transport, way(sender.bytes))
          yield* sender.waits(ping)
          yield* stop
          assert.strictEqual(yield* sender.ended, 1)
          yield* Fiber.interrupt(running)
        }))
    })
  }

  for (const [what, { answered, way }] of Object.entries(clientSends)) {
    describe(`a client that waits in ${what}`, () => {
      for (const [how, { exit, said = answered }] of Object.entries(ends)) {
        if (said === undefined) continue
        it(`learns the outcome when its driver ${how}`, () =>
          Effect.gen(function*() {
            const [gate, sender] = [yield* Deferred.make<void, DriverFailure.DriverFailure>(), yield* Sender.make]
            const { ping, running } = yield* start(transport, way(sender.bytes, Deferred.await(gate)))
            yield* sender.waits(ping)
            yield* Deferred.done(gate, exit)
            assert.include(JSON.stringify(yield* Fiber.join(running)), said)
            assert.strictEqual(yield* sender.ended, 1)
          }))
      }

      for (const how of leaves) {
        it(`ends, and interrupts its driver, when it ${how}`, () =>
          Effect.gen(function*() {
            const [probe, sender] = [yield* Probe.make, yield* Sender.make]
            const { leave, ping, running } = yield* start(transport, way(sender.bytes, probe.watch(Effect.never)))
            yield* sender.waits(ping)
            yield* leave[how]
            yield* Fiber.await(running)
            assert.strictEqual(yield* sender.ended, 1)
            yield* probe.finalized
            assert.strictEqual(yield* probe.finalizations, 1)
          }))
      }

      if (!canStop(way(Stream.empty, Effect.void))) return
      it("fails when its exporter stops", () =>
        Effect.gen(function*() {
          const sender = yield* Sender.make
          const { ping, running, stop } = yield* start(transport, way(sender.bytes, Effect.never))
          yield* sender.waits(ping)
          yield* stop
          assert.isTrue(Exit.isFailure(yield* Fiber.join(running)))
          assert.strictEqual(yield* sender.ended, 1)
        }))
    })
  }
}

// Through grpc-js one kind of socket is enough, because http2 runs all of them.
const chosen = transports.filter(({ name }) => !/^(tcp|tls) through grpc-js$/.test(name))

for (const transport of chosen) describe(`over ${transport.name}`, () => suite(transport))
