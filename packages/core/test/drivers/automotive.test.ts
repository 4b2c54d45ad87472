// The conveniences of the contracts of vehicles, against drivers that record what arrives on the wire.
import { DriverFailure } from "@effect-jumpstarter/core"
import { Can, Doip, IsoTp, Obd, SomeIp, Uds, Xcp } from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Fiber, Scope, Stream, TestClock } from "effect"
import { utf8 } from "../support/bytes.ts"
import { broken, connect, nothing, recording } from "./support.ts"

const frameOnWire = {
  timestamp: 0,
  arbitration_id: 0x123,
  is_extended_id: false,
  is_remote_frame: false,
  is_error_frame: false,
  channel: null,
  dlc: 2,
  data: "AQI=",
  is_fd: false,
  is_rx: false,
  bitrate_switch: false,
  error_state_indicator: false
}

describe("Can", () => {
  it.scoped("sends a frame as the driver reads it", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Can.contract.client, { send: nothing })
      const bus = yield* connect(Can.contract, driver)
      yield* bus.send(Can.frame(0x123, Uint8Array.of(1, 2)), 0.5)
      assert.deepStrictEqual(calls, [["send", frameOnWire, 0.5]])
    }))

  it("makes frames that fit their identifier and their data", () => {
    const long = Can.frame(0x18daf110, new Uint8Array(12))
    assert.isTrue(long.is_extended_id)
    assert.isTrue(long.is_fd)
    assert.strictEqual(long.dlc, 12)
    assert.isTrue(Can.frame(1, new Uint8Array(), { extended: true }).is_extended_id)
  })

  it.scoped("refuses frames that no bus carries, and says why", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Can.contract.client, { send: nothing })
      const bus = yield* connect(Can.contract, driver)
      const refusal = (frame: Can.Frame) => Effect.map(Effect.flip(bus.send(frame)), ({ message }) => message)
      assert.include(
        yield* refusal(Can.frame(0x800, Uint8Array.of(1), { extended: false })),
        "a standard identifier is at most 2047, 0x7ff"
      )
      assert.include(
        yield* refusal(Can.frame(1, new Uint8Array(9), { fd: false })),
        "a classic frame has at most 8 bytes of data"
      )
      assert.include(yield* refusal(Can.frame(1, new Uint8Array(65))), "a CAN FD frame has at most 64 bytes of data")
      assert.include(yield* refusal(Can.frame(0x20000000, new Uint8Array())), "arbitration_id")
      assert.deepStrictEqual(calls, [])
    }))

  it.scoped("receives the frames that its filters let through, and those that the bus has filtered", () =>
    Effect.gen(function*() {
      const answers = [
        [{ ...frameOnWire, arbitration_id: 0x7e8 }, false],
        [null, false],
        [{ ...frameOnWire, arbitration_id: 0x100 }, false],
        [{ ...frameOnWire, arbitration_id: 0x101 }, true],
        [{ ...frameOnWire, arbitration_id: 0x7ef }, false]
      ]
      const { calls, driver } = recording(Can.contract.client, {
        _recv_internal: { run: Effect.sync(() => answers.shift() ?? [null, false]) }
      })
      const bus = yield* connect(Can.contract, driver)
      const frames = yield* Can.receive(bus, { filters: [{ can_id: 0x7e8, can_mask: 0x7f8 }] }).pipe(
        Stream.take(3),
        Stream.runCollect
      )
      assert.deepStrictEqual(Array.from(frames, ({ arbitration_id }) => arbitration_id), [0x7e8, 0x101, 0x7ef])
      // A driver in Python waits in a thread that nothing ends, so each question is short.
      for (const [, seconds] of calls) assert.strictEqual(seconds, 0.5)
    }))

  it("matches by mask and kind of identifier", () => {
    const standard = Can.frame(0x7e8, new Uint8Array())
    assert.isTrue(Can.matches(standard, []))
    assert.isTrue(Can.matches(standard, [{ can_id: 1, can_mask: 0x7ff }, { can_id: 0x7e0, can_mask: 0x7f0 }]))
    assert.isFalse(Can.matches(standard, [{ can_id: 0x7e0, can_mask: 0x7ff }]))
    assert.isFalse(Can.matches(standard, [{ can_id: 0x7e8, can_mask: 0x7ff, extended: true }]))
  })

  it.scoped("ends its stream when the bus fails", () =>
    Effect.gen(function*() {
      const { driver } = recording(Can.contract.client, { _recv_internal: { run: broken } })
      const error = yield* Effect.flip(Stream.runDrain(Can.receive(yield* connect(Can.contract, driver))))
      assert.strictEqual(error._tag, "DriverError")
    }))

  for (
    const [how, exit] of [["succeeds", Exit.void], ["fails", Exit.fail("oops")], ["is interrupted", undefined]] as const
  ) {
    it.scoped(`stops a periodic frame when its scope ${how}`, () =>
      Effect.gen(function*() {
        const task = "6a1f2a9e-8f4e-4c07-9d0c-0d9a3c1f7a11"
        const { calls, driver } = recording(Can.contract.client, {
          _send_periodic_internal: { value: task },
          _stop_task: nothing
        })
        const bus = yield* connect(Can.contract, driver)
        const begin = Can.sendPeriodic(bus, Can.frame(0x123, Uint8Array.of(1, 2)), { period: "100 millis" })
        if (exit === undefined) {
          const fiber = yield* Effect.fork(Effect.scoped(Effect.zipRight(begin, Effect.never)))
          yield* Effect.repeat(Effect.yieldNow(), { until: () => calls.length > 0 })
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(fiber)
        } else {
          const scope = yield* Scope.make()
          yield* Scope.extend(begin, scope)
          yield* Scope.close(scope, exit)
        }
        assert.deepStrictEqual(calls, [
          ["_send_periodic_internal", [frameOnWire], 0.1],
          ["_stop_task", task]
        ])
      }))
  }

  it.scoped("names the state and the protocol of the bus", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Can.contract.client, { state: { value: 2 }, protocol: { value: 1 } })
      const bus = yield* connect(Can.contract, driver)
      assert.strictEqual(yield* bus.state(), "passive")
      yield* bus.state("active")
      assert.strictEqual(yield* bus.protocol(), "can-2.0")
      assert.deepStrictEqual(calls, [["state"], ["state", 1], ["protocol"]])
    }))
})

describe("IsoTp", () => {
  it.scoped("listens while its scope is open, and sends and receives bytes", () =>
    Effect.gen(function*() {
      const messages: Array<{ readonly data: string | null }> = [{ data: null }, { data: "YsE=" }]
      const { calls, driver } = recording(IsoTp.contract.client, {
        start: nothing,
        stop: nothing,
        send: nothing,
        set_address: nothing,
        recv: { run: Effect.sync(() => messages.shift() ?? { data: null }) }
      })
      const channel = yield* connect(IsoTp.contract, driver)
      const answer = yield* Effect.scoped(Effect.gen(function*() {
        yield* IsoTp.listen(channel)
        yield* channel.set_address(IsoTp.address("normal-11", { txid: 1, rxid: 2 }))
        yield* channel.send(Uint8Array.of(0x22, 0xf1), "functional")
        return yield* IsoTp.receive(channel).pipe(Stream.take(1), Stream.runCollect)
      }))
      assert.deepStrictEqual(Chunk.toReadonlyArray(answer), [Uint8Array.of(0x62, 0xc1)])
      assert.deepStrictEqual(calls, [
        ["start"],
        ["set_address", {
          addressing_mode: 0,
          txid: 1,
          rxid: 2,
          target_address: null,
          source_address: null,
          physical_id: null,
          functional_id: null,
          address_extension: null,
          rx_only: false,
          tx_only: false
        }],
        ["send", { data: "IvE=" }, 1],
        ["recv", true, 0.5],
        ["recv", true, 0.5],
        ["stop"]
      ])
    }))
})

const late = { run: Effect.fail(DriverFailure.make("Timeout", "nothing came")) }

describe("Doip", () => {
  it.scoped("asks and returns the answer", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Doip.contract.client, {
        send_diagnostic: nothing,
        receive_diagnostic: { value: { data: "62f18c" } }
      })
      const doip = yield* connect(Doip.contract, driver)
      const answer = yield* Doip.request(doip, Uint8Array.of(0x22, 0xf1, 0x8c), { timeout: "3 seconds" })
      assert.deepStrictEqual(answer, Uint8Array.of(0x62, 0xf1, 0x8c))
      assert.deepStrictEqual(calls, [["send_diagnostic", { data: "22f18c" }], ["receive_diagnostic", 3]])
    }))

  it.scoped("waits on while nothing comes, and fails when a request gets no answer", () =>
    Effect.gen(function*() {
      let asked = 0
      const { driver } = recording(Doip.contract.client, {
        send_diagnostic: nothing,
        receive_diagnostic: {
          run: Effect.suspend(() => ++asked < 3 ? late.run : Effect.succeed({ data: "01" }))
        }
      })
      const doip = yield* connect(Doip.contract, driver)
      const unanswered = yield* Effect.flip(Doip.request(doip, Uint8Array.of(1)))
      assert.strictEqual(unanswered.code, "DEADLINE_EXCEEDED")
      const messages = yield* Doip.receive(doip).pipe(Stream.take(1), Stream.runCollect)
      assert.deepStrictEqual(Chunk.toReadonlyArray(messages), [Uint8Array.of(1)])
      assert.strictEqual(asked, 3)
    }))
})

describe("SomeIp", () => {
  it.scoped("subscribes while its stream runs", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(SomeIp.contract.client, {
        subscribe_eventgroup: nothing,
        unsubscribe_eventgroup: nothing,
        receive_event: { value: { service_id: 1, event_id: 0x8001, payload: "2a" } }
      })
      const endpoint = yield* connect(SomeIp.contract, driver)
      const events = yield* SomeIp.events(endpoint, 16).pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(events.pipe(Chunk.toReadonlyArray)[1], {
        service_id: 1,
        event_id: 0x8001,
        payload: Uint8Array.of(0x2a)
      })
      assert.deepStrictEqual(calls, [
        ["subscribe_eventgroup", 16],
        ["receive_event", 0.5],
        ["receive_event", 0.5],
        ["unsubscribe_eventgroup", 16]
      ])
    }))

  it.scoped("refuses identifiers that do not fit", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(SomeIp.contract.client, { rpc_call: nothing })
      const endpoint = yield* connect(SomeIp.contract, driver)
      const error = yield* Effect.flip(endpoint.rpc_call(0x10000, 1, new Uint8Array()))
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.deepStrictEqual(calls, [])
    }))
})

const positive = { service: "SecurityAccess", success: true, data: null, nrc: null, nrc_name: null }
const denied = { service: "SecurityAccess", success: false, data: null, nrc: 0x35, nrc_name: "InvalidKey" }

describe("Uds", () => {
  it.scoped("makes a negative response a failure", () =>
    Effect.gen(function*() {
      const { driver } = recording(Uds.contract.client, {
        change_session: { value: { ...denied, service: "DiagnosticSessionControl", nrc: 0x7e, nrc_name: "NotNow" } },
        clear_dtc: { value: positive }
      })
      const unit = yield* connect(Uds.contract, driver)
      assert.isTrue((yield* Uds.accepted(unit.clear_dtc())).success)
      const error = yield* Effect.flip(Uds.accepted(unit.change_session("extended")))
      assert.strictEqual(error._tag, "UdsNegativeResponse")
      assert.strictEqual(error.message, "the control unit refused DiagnosticSessionControl: NotNow (0x7e)")
    }))

  it.scoped("unlocks with the key of the seed", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Uds.contract.client, {
        request_seed: { value: { seed: "0102", success: true, nrc: null, nrc_name: null } },
        send_key: { value: positive }
      })
      yield* Uds.unlock(yield* connect(Uds.contract, driver), 1, (seed) => seed.map((byte) => byte ^ 0xff))
      assert.deepStrictEqual(calls, [["request_seed", 1], ["send_key", 1, "fefd"]])
    }))

  it.scoped("sends no key to an open level, and says which request a unit refuses", () =>
    Effect.gen(function*() {
      const seeds = [
        { seed: "0000", success: true, nrc: null, nrc_name: null },
        { seed: "", success: false, nrc: 0x37, nrc_name: "RequiredTimeDelayNotExpired" },
        { seed: "01", success: true, nrc: null, nrc_name: null }
      ]
      const { calls, driver } = recording(Uds.contract.client, {
        request_seed: { run: Effect.sync(() => seeds.shift() ?? null) },
        send_key: { value: denied }
      })
      const unit = yield* connect(Uds.contract, driver)
      const unlock = Uds.unlock(unit, 1, (seed) => seed)
      yield* unlock
      assert.lengthOf(calls, 1)
      assert.include((yield* Effect.flip(unlock)).message, "refused SecurityAccess: RequiredTimeDelayNotExpired (0x37)")
      assert.include((yield* Effect.flip(unlock)).message, "refused SecurityAccess: InvalidKey (0x35)")
    }))

  it.scoped("keeps the session between requests, and never during one", () =>
    Effect.gen(function*() {
      const answering = yield* Effect.makeLatch(false)
      const { calls, driver } = recording(Uds.contract.client, {
        tester_present: nothing,
        clear_dtc: { run: Effect.as(answering.await, positive) }
      })
      const unit = yield* Uds.keepSession(yield* connect(Uds.contract, driver))
      const until = (count: number) => Effect.repeat(Effect.yieldNow(), { until: () => calls.length >= count })
      yield* until(1)
      const clearing = yield* Effect.fork(unit.clear_dtc())
      yield* until(2)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(calls, [["tester_present"], ["clear_dtc"]])
      yield* answering.open
      yield* Fiber.join(clearing)
      yield* until(3)
      assert.deepStrictEqual(calls[2], ["tester_present"])
    }))

  it.scoped("keeps the session on Effect's clock while its scope is open", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Uds.contract.client, { tester_present: nothing })
      const unit = yield* connect(Uds.contract, driver)
      const until = (count: number) => Effect.repeat(Effect.yieldNow(), { until: () => calls.length >= count })
      const scope = yield* Scope.make()
      yield* Scope.extend(Uds.keepSession(unit), scope)
      yield* until(1)
      for (const count of [2, 3]) {
        yield* TestClock.adjust("2 seconds")
        yield* until(count)
      }
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(calls, 3)
    }))
})

describe("Xcp", () => {
  it.scoped("connects while its scope is open, and carries bytes as text", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Xcp.contract.client, {
        connect: {
          value: {
            max_cto: 8,
            max_dto: 8,
            byte_order: "INTEL",
            supports_pgm: false,
            supports_stim: false,
            supports_daq: false,
            supports_calpag: true,
            protocol_layer_version: 1,
            transport_layer_version: 1,
            address_granularity: "BYTE",
            slave_block_mode: false
          }
        },
        disconnect: nothing,
        upload: { value: "grün" },
        download: nothing
      })
      const unit = yield* connect(Xcp.contract, driver)
      yield* Effect.scoped(Effect.gen(function*() {
        assert.strictEqual((yield* Xcp.session(unit)).max_cto, 8)
        assert.deepStrictEqual(yield* unit.upload(5, 0x1000), utf8("grün"))
        yield* unit.download(0x1000, utf8("rot"))
        const refused = yield* Effect.flip(unit.download(0x1000, Uint8Array.of(0xff)))
        assert.strictEqual(refused._tag, "InvalidArgument")
        assert.include(refused.message, "only bytes that are UTF-8 can be sent")
      }))
      assert.deepStrictEqual(calls, [
        ["connect"],
        ["upload", 5, 0x1000],
        ["download", 0x1000, "rot"],
        ["disconnect"]
      ])
    }))
})

describe("Obd", () => {
  it.scoped("watches a value on Effect's clock", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Obd.contract.client, {
        query: { run: Effect.sync(() => calls.length > 1 ? null : "1840.0 revolutions_per_minute") }
      })
      const car = yield* connect(Obd.contract, driver)
      const values = yield* Effect.fork(Obd.watch(car, "RPM", "1 second").pipe(Stream.take(2), Stream.runCollect))
      yield* Effect.repeat(Effect.yieldNow(), { until: () => calls.length === 1 })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(values)), ["1840.0 revolutions_per_minute", null])
    }))
})
