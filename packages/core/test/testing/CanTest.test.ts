import { DriverFailure } from "@effect-jumpstarter/core"
import { Can } from "@effect-jumpstarter/core/drivers"
import { CanTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Stream, TestClock } from "effect"
import { connect } from "../drivers/support.ts"

const idsOf = (frames: Iterable<Can.Frame>) => Array.from(frames, ({ arbitration_id }) => arbitration_id)

const request = Can.frame(0x7df, Uint8Array.of(2, 1, 0x0c))

describe("CanTest", () => {
  it.scoped("answers frames, and keeps those that clients sent", () =>
    Effect.gen(function*() {
      const fake = yield* CanTest.make({
        answer: ({ arbitration_id, data }) =>
          arbitration_id === 0x7df
            ? [Can.frame(0x7e8, data ?? new Uint8Array()), Can.frame(0x7e9, Uint8Array.of(1))]
            : []
      })
      const bus = yield* connect(Can.contract, fake.driver)
      yield* bus.send(request)
      const answers = yield* Can.receive(bus).pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(idsOf(answers), [0x7e8, 0x7e9])
      assert.deepStrictEqual(Chunk.toReadonlyArray(answers)[0]?.data, request.data)
      assert.deepStrictEqual(yield* fake.sent, [request])
    }))

  it.scoped("lets a client wait for a frame on Effect's clock, and loses none at the end of the time", () =>
    Effect.gen(function*() {
      const fake = yield* CanTest.make()
      const bus = yield* connect(Can.contract, fake.driver)
      const nothing = yield* Effect.fork(bus._recv_internal(2))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(nothing), [null, false])
      yield* fake.inject(Can.frame(1, new Uint8Array()))
      yield* fake.inject(Can.frame(2, new Uint8Array()))
      assert.deepStrictEqual(
        idsOf(yield* Can.receive(bus).pipe(Stream.take(2), Stream.runCollect)),
        [1, 2]
      )
      const waiting = yield* Effect.fork(bus._recv_internal(null))
      yield* TestClock.adjust("1 hour")
      yield* fake.inject(Can.frame(3, new Uint8Array()))
      assert.strictEqual((yield* Fiber.join(waiting))[0]?.arbitration_id, 3)
    }))

  it.scoped("sends periodic frames on Effect's clock until they are stopped", () =>
    Effect.gen(function*() {
      const fake = yield* CanTest.make()
      const bus = yield* connect(Can.contract, fake.driver)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Can.sendPeriodic(bus, [Can.frame(1, Uint8Array.of(7)), Can.frame(1, Uint8Array.of(8))], {
          period: "100 millis"
        })
        yield* TestClock.adjust("350 millis")
        assert.deepStrictEqual((yield* fake.sent).map(({ data }) => data?.[0]), [7, 8, 7, 8])
        assert.strictEqual(yield* fake.periodic, 1)
      }))
      yield* TestClock.adjust("1 second")
      assert.lengthOf(yield* fake.sent, 4)
      assert.strictEqual(yield* fake.periodic, 0)
    }))

  it.scoped("ends periodic frames after their duration, and starts them when asked to", () =>
    Effect.gen(function*() {
      const fake = yield* CanTest.make()
      const bus = yield* connect(Can.contract, fake.driver)
      const task = yield* bus._send_periodic_internal([request], 0.1, 0.25, false)
      yield* TestClock.adjust("1 second")
      assert.lengthOf(yield* fake.sent, 0)
      yield* bus._start_task(task)
      yield* TestClock.adjust("1 second")
      assert.lengthOf(yield* fake.sent, 3)
      yield* bus._stop_task(task)
      assert.include((yield* Effect.flip(bus._stop_task(task))).message, "there is no task")
    }))

  it.scoped("refuses periodic frames of several identifiers, as python-can does", () =>
    Effect.gen(function*() {
      const bus = yield* connect(Can.contract, (yield* CanTest.make()).driver)
      const frames = [Can.frame(1, new Uint8Array()), Can.frame(2, new Uint8Array())] as const
      const error = yield* Effect.flip(Effect.scoped(Can.sendPeriodic(bus, frames, { period: "1 second" })))
      assert.strictEqual(error._tag, "InvalidArgument")
    }))

  it.scoped("filters where the interface can", () =>
    Effect.gen(function*() {
      const plain = yield* connect(Can.contract, (yield* CanTest.make()).driver)
      assert.strictEqual((yield* Effect.flip(plain._apply_filters([])))._tag, "MethodNotImplemented")
      const fake = yield* CanTest.make({ filters: true })
      const bus = yield* connect(Can.contract, fake.driver)
      yield* bus._apply_filters([{ can_id: 2, can_mask: 0x7ff }])
      for (const id of [1, 2]) yield* fake.inject(Can.frame(id, new Uint8Array()))
      assert.deepStrictEqual(idsOf(yield* Can.receive(bus).pipe(Stream.take(1), Stream.runCollect)), [2])
    }))

  it.scoped("fails as a bus does that is off, or closed", () =>
    Effect.gen(function*() {
      const fake = yield* CanTest.make()
      const bus = yield* connect(Can.contract, fake.driver)
      yield* fake.setFailure(DriverFailure.make("Device", "bus-off"))
      assert.include((yield* Effect.flip(bus.send(request))).message, "bus-off")
      yield* fake.setFailure(undefined)
      yield* bus.send(request)
      assert.strictEqual(yield* bus.state(), "active")
      yield* bus.state("passive")
      assert.strictEqual(yield* bus.state(), "passive")
      yield* bus.shutdown()
      assert.include((yield* Effect.flip(Stream.runHead(Can.receive(bus)))).message, "the bus is closed")
    }))
})
