// How a host ends what a client and a driver share when one of them does not do its part.
import { Driver, type DriverClient, Exporter, ExporterConnection, GrpcChannel } from "@effect-jumpstarter/core"
import type { JsonValue } from "@effect-jumpstarter/core/ProtobufValue"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Stream } from "effect"
import * as Metadata from "../../src/grpc/Metadata.ts"
import * as frame from "../../src/protocol/routerFrame.ts"
import * as temporary from "../support/temporary.ts"

const hosts = {
  "in memory": (exporter: Exporter.Exporter) => GrpcChannel.fromHandlers(exporter.handlers),
  "on a socket": (exporter: Exporter.Exporter) =>
    temporary.socketPath.pipe(
      Effect.flatMap((path) => Exporter.serve(exporter, { path })),
      Effect.flatMap((endpoint) => GrpcChannel.fromEndpoint(endpoint))
    )
}

const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.timeoutFail(effect, { duration: "5 seconds", onTimeout: () => new Error("it does not end") })

const openStream = (channel: GrpcChannel.Channel, request: object) =>
  channel.duplex("/jumpstarter.v1.RouterService/Stream", {
    metadata: Metadata.make({ request: JSON.stringify(request) })
  })

describe("a device that fails to close", () => {
  const stuck = <A>(value: A) =>
    Effect.acquireRelease(Effect.succeed(value), () => Effect.die(new Error("it is stuck")))
  const driver = Driver.make({
    client: "c",
    methods: {
      call: Driver.call(() => Effect.scoped(Effect.asVoid(stuck(1)))),
      items: Driver.streamingCall(() => Stream.scoped(stuck(1))),
      bytes: Driver.stream(stuck({ read: Stream.empty, write: () => Effect.void, end: Effect.void }))
    }
  })
  const uses: Readonly<Record<string, (device: DriverClient.DriverClient) => Effect.Effect<unknown, unknown>>> = {
    "call device.call": (device) => device.call("call"),
    "streaming call device.items": (device) => Stream.runDrain(device.streamingCall("items")),
    "stream device.bytes": (device) =>
      Effect.scoped(
        Effect.flatMap(device.stream("bytes"), ({ end, read }) => Effect.zipRight(end, Stream.runDrain(read)))
      )
  }
  for (const [name, use] of Object.entries(uses)) {
    it.live(`is reported: ${name}`, () =>
      Effect.gen(function*() {
        const { driver, logs } = yield* ExporterConnection.ExporterConnection
        yield* Effect.exit(Effect.flatMap(driver("device"), use))
        const told = Stream.filterMap(logs, (event) =>
          event._tag === "LogEntry" && event.message.includes("it is stuck") && event.severity === "ERROR"
            ? Option.fromNullable(event.message.split(":")[0])
            : Option.none())
        assert.deepStrictEqual(yield* soon(Stream.runHead(told)), Option.some(`${name} failed unexpectedly`))
      }).pipe(Effect.provide(ExporterTest.layer({ device: driver }))))
  }
})

describe.each(Object.entries(hosts))("%s", (_, open) => {
  it.scopedLive("a download fails when its client broke off", () =>
    Effect.gen(function*() {
      const opened = yield* Deferred.make<void>()
      const gone = yield* Deferred.make<void>()
      const dump = Driver.call(([handle], { resource }) =>
        Effect.scoped(Effect.gen(function*() {
          const { write } = yield* resource(handle)
          yield* Deferred.succeed(opened, undefined)
          yield* Deferred.await(gone)
          yield* write(Stream.repeatValue(new Uint8Array(1024)))
        }))
      )
      const driver = Driver.make({ client: "c", methods: { dump } })
      const channel = yield* open(yield* Exporter.make(driver, { localLogs: false }))
      const { root } = yield* ExporterConnection.fromChannel(channel)
      const lent = yield* openStream(channel, { kind: "resource", uuid: root.uuid })
      const { entries } = yield* lent.initialMetadata
      const handle: JsonValue = JSON.parse(entries.get("resource") ?? "")
      const call = yield* Effect.fork(Effect.flip(root.call("dump", handle)))
      yield* Deferred.await(opened)
      yield* lent.cancel
      yield* Deferred.succeed(gone, undefined)
      const error = yield* soon(Fiber.join(call))
      assert.include(error.message, "the client's resource broke off: the caller went away")
    }))

  // Python clients never cancel.
  it.scopedLive("a transformation that ends before its input does not wait for the rest", () =>
    Effect.gen(function*() {
      const first = Driver.streamTransform((input) => Stream.take(input, 1))
      const channel = yield* open(yield* Exporter.make(Driver.make({ client: "c", methods: { first } })))
      const { root } = yield* ExporterConnection.fromChannel(channel)
      const stream = yield* openStream(channel, { kind: "driver", uuid: root.uuid, method: "first" })
      yield* soon(Effect.gen(function*() {
        for (let i = 0; i < 100; i++) yield* stream.send(frame.encodeData(new Uint8Array(1)))
        yield* stream.send(frame.goAway)
        yield* stream.halfClose
        yield* Effect.exit(Effect.forever(stream.receive))
        yield* stream.status
      }))
    }))
})
