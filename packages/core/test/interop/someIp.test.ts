// The published driver of SOME/IP. Its library has one fixed port, so other runs of these tests wait for their turn.
import { Device, type DriverInterface, Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
import { SomeIp } from "@effect-jumpstarter/core/drivers"
import { assert, describe, layer } from "@effect/vitest"
import { Chunk, Effect, Layer, Option, Stream } from "effect"
import * as process from "../support/process.ts"
import * as python from "../support/python.ts"

const exporter = Layer.unwrapScoped(
  Effect.map(
    process.start(python.drivers("someip")),
    ({ ready }) => ExporterConnection.layer(Endpoint.unix(ready.unix))
  )
)

const connect = <I extends DriverInterface.Any>(contract: I, path: string) =>
  Effect.orDie(Device.connect(contract, path))

const head = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.flatMap(
    Stream.runHead(stream),
    (first) => Option.match(first, { onNone: () => Effect.dieMessage("ended"), onSome: Effect.succeed })
  )

describe.skipIf(python.publishedDrivers === undefined)("the published driver of SOME/IP", () => {
  layer(exporter, { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.scoped("messages to a service and back", () =>
      Effect.gen(function*() {
        const endpoint = yield* connect(SomeIp.contract, "someip")
        yield* endpoint.start()
        yield* endpoint.send_message(0x1234, 0x0001, Uint8Array.of(1, 2, 3))
        const answer = yield* head(SomeIp.messages(endpoint))
        assert.deepStrictEqual([answer.service_id, answer.method_id, answer.payload], [
          0x1234,
          1,
          Uint8Array.of(3, 2, 1)
        ])
        const late = yield* Effect.flip(endpoint.receive_message(0.05))
        assert.deepStrictEqual([late._tag, late.code], ["DriverError", "DEADLINE_EXCEEDED"])
        assert.deepStrictEqual(yield* endpoint.find_service(0x4321, undefined, 0.05), [])
      }))

    it.scoped("calls a method, and says that a service refused it", () =>
      Effect.gen(function*() {
        const endpoint = yield* connect(SomeIp.contract, "someip")
        const answer = yield* endpoint.rpc_call(0x1234, 0x0001, Uint8Array.of(1, 2, 3))
        assert.deepInclude(answer, { service_id: 0x1234, method_id: 1, message_type: 0x80, return_code: 0 })
        assert.deepStrictEqual(answer.payload, Uint8Array.of(3, 2, 1))
        assert.deepStrictEqual((yield* endpoint.rpc_call(0x1234, 1, new Uint8Array())).payload, new Uint8Array())
        const refused = yield* Effect.flip(endpoint.rpc_call(0x1234, 0x0e01, Uint8Array.of(1)))
        assert.strictEqual(refused._tag, "DriverError")
        assert.include(refused.message, "RPC call to MessageId(service_id=0x1234, method_id=0x0e01) failed")
        // The numbers have 16 bits, which the client checks.
        const wide = yield* Effect.flip(endpoint.rpc_call(0x12345, 1, Uint8Array.of(1)))
        assert.deepInclude(wide, { _tag: "InvalidArgument", origin: "client" })
        const client = yield* (yield* ExporterConnection.ExporterConnection).driver("someip")
        const sent = yield* Effect.flip(client.call("rpc_call", 0x12345, 1, { data: "00" }))
        assert.deepInclude(sent, { _tag: "InvalidArgument", origin: "driver" })
      }))

    it.scoped("has the events of a group while somebody reads them", () =>
      Effect.gen(function*() {
        const endpoint = yield* connect(SomeIp.contract, "someip")
        // The library blocks when an event and the end of its subscription meet (protocol.md 14.3). Another call keeps them apart.
        const events = SomeIp.events(endpoint, 0x0010).pipe(
          Stream.take(3),
          Stream.tap(() => endpoint.start()),
          Stream.runCollect
        )
        // The second time shows that the first subscription has ended: otherwise no event would come.
        for (let time = 0; time < 2; time++) {
          assert.deepStrictEqual(
            Chunk.toReadonlyArray(yield* events).map(({ event_id, payload }) => [event_id, [...payload]]),
            [[0x8010, [0, 0x10, 1]], [0x8010, [0, 0x10, 2]], [0x8010, [0, 0x10, 3]]]
          )
        }
        const late = yield* Effect.flip(endpoint.receive_event(0.05))
        assert.deepStrictEqual([late._tag, late.code], ["DriverError", "DEADLINE_EXCEEDED"])
      }))

    it.scoped("says that its endpoint is closed", () =>
      Effect.gen(function*() {
        const endpoint = yield* connect(SomeIp.contract, "someip_closed")
        yield* endpoint.start()
        yield* endpoint.close_connection()
        const uses = [
          endpoint.rpc_call(0x1234, 1, Uint8Array.of(1)),
          endpoint.send_message(0x1234, 1, Uint8Array.of(1))
        ]
        for (const use of uses) {
          const closed = yield* Effect.flip(use)
          assert.strictEqual(closed._tag, "DriverError")
          assert.include(closed.message, "not running")
        }
      }))
  })
})
