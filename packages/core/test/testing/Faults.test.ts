// Each fault, at each moment, on each kind of call: what the program observes and what the driver does.
import { ExporterConnection } from "@effect-jumpstarter/core"
import { Faults, FaultyExporter } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Stream, TestClock } from "effect"
import { utf8 } from "../support/bytes.ts"
import * as bench from "./bench.ts"

const lost = "ConnectionLost UNAVAILABLE transport: Connection dropped"

const test = <A, E>(
  name: string,
  body: (
    faults: FaultyExporter.Control,
    events: ReadonlyArray<string>
  ) => Effect.Effect<A, E, ExporterConnection.ExporterConnection>
) =>
  it.effect(name, () =>
    Effect.gen(function*() {
      const { drivers, events } = yield* bench.make
      yield* Effect.flatMap(FaultyExporter.FaultyExporter, (faults) => body(faults, events)).pipe(
        Effect.provide(FaultyExporter.layer(drivers))
      )
    }))

describe("a call", () => {
  test("is lost before it reaches the driver", (faults, events) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.next({ driver: "power", method: "on" }, Faults.drop("before"))
      assert.strictEqual(yield* bench.outcomeOf(power.call("on")), lost)
      assert.deepStrictEqual(events, [])
    }))

  test("is lost after the driver has acted", (faults, events) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.next({ driver: "power", method: "on" }, Faults.drop("after"))
      assert.strictEqual(yield* bench.outcomeOf(power.call("on")), lost)
      assert.deepStrictEqual(events, ["on"])
    }))

  test("is lost while the driver acts, and the driver is interrupted", (faults, events) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.next({ method: "hang" }, Faults.drop({ messages: 0 }))
      assert.strictEqual(yield* bench.outcomeOf(power.call("hang")), lost)
      yield* bench.eventually(() => events.length === 2)
      assert.deepStrictEqual(events, ["hang", "hang interrupted"])
    }))

  test("is lost at once, even if the driver takes long to finish", (faults, events) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      const calling = yield* Effect.fork(bench.outcomeOf(power.call("stuck")))
      yield* bench.eventually(() => events.length === 1)
      yield* faults.dropConnection
      assert.strictEqual(yield* Fiber.join(calling), lost)
      const leaving = yield* Effect.fork(Effect.zipRight(faults.restore, TestClock.adjust("1 hour")))
      yield* Fiber.join(leaving)
    }))

  test("is lost at the given time after it began", (faults, events) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.next({ method: "slow" }, Faults.drop({ time: "59 seconds" }))
      const calling = yield* Effect.fork(bench.outcomeOf(power.call("slow")))
      yield* TestClock.adjust("58 seconds")
      assert.isNull(calling.unsafePoll())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(calling), lost)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(events, [])
    }))

  test("is delayed", (faults, events) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.next({ method: "on" }, Faults.delay("3 seconds"))
      yield* faults.next({ method: "on" }, Faults.delay("4 seconds", "after"))
      const calling = yield* Effect.fork(power.call("on"))
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(events, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(events, ["on"])
      yield* TestClock.adjust("3999 millis")
      assert.isNull(calling.unsafePoll())
      yield* TestClock.adjust("1 millis")
      assert.isNull(yield* Fiber.join(calling))
    }))

  test("never returns, and can be interrupted", (faults, events) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.next({ method: "on" }, Faults.stall("after"))
      const calling = yield* Effect.fork(bench.outcomeOf(Effect.timeoutOption(power.call("on"), "1 hour")))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Fiber.join(calling), { value: Option.none() })
      assert.deepStrictEqual(events, ["on"])
    }))

  test("fails with a failure of the exporter", (faults, events) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.next({ method: "on" }, Faults.fail("DEADLINE_EXCEEDED", "no"))
      assert.strictEqual(yield* bench.outcomeOf(power.call("on")), "DriverError DEADLINE_EXCEEDED driver: no")
      assert.deepStrictEqual(events, [])
      yield* faults.next({ method: "on" }, Faults.fail("INTERNAL", "late", "after"))
      assert.strictEqual(yield* bench.outcomeOf(power.call("on")), "DriverError INTERNAL driver: late")
      assert.deepStrictEqual(events, ["on"])
    }))

  test("arrives as bytes that do not decode, or returns such bytes", (faults) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.next({ method: "on" }, Faults.malform("before"))
      assert.match(
        String(yield* bench.outcomeOf(power.call("on"))),
        /^InvalidArgument INVALID_ARGUMENT driver: malformed/
      )
      yield* faults.next({ method: "on" }, Faults.malform({ messages: 0 }))
      assert.match(String(yield* bench.outcomeOf(power.call("on"))), /^UnexpectedResult INTERNAL client: malformed/)
    }))

  test(
    "waits for the driver when it is interrupted, with and without faults",
    (faults, events) =>
      Effect.gen(function*() {
        const power = yield* bench.power
        yield* faults.next({ method: "hang" }, Faults.delay("1 second"))
        const calling = yield* Effect.fork(power.call("hang"))
        yield* TestClock.adjust("1 second")
        yield* bench.eventually(() => events.length === 1)
        yield* Fiber.interrupt(calling)
        assert.deepStrictEqual(events, ["hang", "hang interrupted"])
      })
  )
})

describe("a streaming call", () => {
  const count = (n: number) =>
    Effect.flatMap(bench.power, (power) => {
      const items: Array<unknown> = []
      return Effect.map(
        Effect.exit(Stream.runForEach(power.streamingCall("count", n), (item) => Effect.sync(() => items.push(item)))),
        (exit) => [items, Exit.isSuccess(exit) ? "end" : bench.outcome(exit)]
      )
    })

  test("is lost after some items", (faults) =>
    Effect.gen(function*() {
      yield* faults.next({ kind: "streamingCall" }, Faults.drop({ messages: 2 }))
      assert.deepStrictEqual(yield* count(5), [[1, 2], lost])
    }))

  test("is lost before its start, at its start, and instead of its end", (faults, events) =>
    Effect.gen(function*() {
      yield* faults.next({ method: "count" }, Faults.drop("before", { downFor: 0 }))
      assert.deepStrictEqual(yield* count(2), [[], lost])
      assert.deepStrictEqual(events, [])
      yield* faults.next({ method: "count" }, Faults.drop({ messages: 0 }, { downFor: 0 }))
      assert.deepStrictEqual(yield* count(2), [[], lost])
      assert.deepStrictEqual(events, ["count 2"])
      yield* faults.next({ method: "count" }, Faults.drop("after", { downFor: 0 }))
      assert.deepStrictEqual(yield* count(2), [[1, 2], lost])
    }))

  test("ends too early", (faults) =>
    Effect.gen(function*() {
      yield* faults.next({ method: "count" }, Faults.truncate({ messages: 3 }))
      assert.deepStrictEqual(yield* count(5), [[1, 2, 3], "end"])
      yield* faults.next({ method: "count" }, Faults.truncate("before"))
      assert.deepStrictEqual(yield* count(5), [[], "end"])
    }))

  test("stalls, for a while or without end", (faults) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.next({ method: "count" }, Faults.delay("1 minute", { messages: 1 }))
      yield* faults.next({ method: "count" }, Faults.stall({ messages: 2 }))
      const items: Array<unknown> = []
      const reading = yield* Effect.fork(
        Stream.runForEach(power.streamingCall("count", 3), (item) => Effect.sync(() => items.push(item)))
      )
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(items, [1])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(items, [1, 2])
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(items, [1, 2])
      yield* Fiber.interrupt(reading)
    }))

  test("fails, or sends bytes that do not decode, after some items", (faults) =>
    Effect.gen(function*() {
      yield* faults.next({ method: "count" }, Faults.fail("ABORTED", "enough", { messages: 1 }))
      assert.deepStrictEqual(yield* count(2), [[1], "DriverError ABORTED driver: enough"])
      yield* faults.next({ method: "count" }, Faults.malform({ messages: 1 }))
      const [items, end] = yield* count(2)
      assert.deepStrictEqual(items, [1])
      assert.match(String(end), /^UnexpectedResult INTERNAL client: malformed message/)
    }))
})

describe("a byte stream", () => {
  test("is lost after exactly the given number of bytes", (faults) =>
    Effect.gen(function*() {
      // Seven bytes to the device, and three back.
      yield* faults.next({ driver: "console", method: "connect" }, Faults.drop({ bytes: 10 }))
      const { exit, heard } = yield* bench.converse("abcdefg")
      assert.strictEqual(bench.outcome(exit), lost)
      assert.strictEqual(heard, "abc")
    }))

  for (
    const [name, fault] of [["is lost", Faults.drop({ bytes: 1 })], ["stalls", Faults.stall({ bytes: 1 })]] as const
  ) {
    test(`${name} for data that the device sends at that moment, too`, (faults) =>
      Effect.gen(function*() {
        yield* faults.next({ driver: "console", method: "greet" }, fault)
        const client = yield* ExporterConnection.driver("console")
        yield* Effect.scoped(Effect.gen(function*() {
          const { read, write } = yield* client.stream("greet")
          const heard: Array<Uint8Array> = []
          yield* Effect.fork(Stream.runForEach(read, (bytes) => Effect.sync(() => heard.push(bytes))))
          yield* write(utf8("x"))
          yield* bench.settled
          assert.deepStrictEqual(heard, [])
        }))
      }))
  }

  test("is lost before it is open, and instead of its end", (faults, events) =>
    Effect.gen(function*() {
      yield* faults.next({ kind: "stream" }, Faults.drop("before", { downFor: 0 }))
      assert.deepStrictEqual(bench.outcome((yield* bench.converse("a")).exit), lost)
      assert.deepStrictEqual(events, [])
      yield* faults.next({ kind: "stream" }, Faults.drop("after", { downFor: 0 }))
      const { exit, heard } = yield* bench.converse("a")
      assert.deepStrictEqual([heard, bench.outcome(exit)], ["abye", lost])
      yield* bench.eventually(() => events.length === 2)
      assert.deepStrictEqual(events, ["connect", "disconnect"])
    }))

  test("ends too early, without an error", (faults) =>
    Effect.gen(function*() {
      yield* faults.next({ kind: "stream" }, Faults.truncate({ bytes: 5 }))
      const { exit, heard } = yield* bench.converse("abc")
      assert.deepStrictEqual([heard, Exit.isSuccess(exit)], ["ab", true])
    }))

  test("stalls in both directions", (faults) =>
    Effect.gen(function*() {
      yield* faults.next({ kind: "stream" }, Faults.stall({ bytes: 4 }))
      const talking = yield* Effect.fork(Effect.timeoutOption(bench.converse("abc"), "1 hour"))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Fiber.join(talking), Option.none())
    }))

  test("writes nothing more to the driver once it stalls", (faults, events) =>
    Effect.gen(function*() {
      const storage = yield* ExporterConnection.driver("storage")
      yield* faults.next({ kind: "stream" }, Faults.stall({ bytes: 4 }))
      yield* Effect.scoped(Effect.gen(function*() {
        const { write } = yield* storage.stream("memory")
        const writing = yield* Effect.fork(write(utf8("abcdef")))
        yield* bench.settled
        assert.isNull(writing.unsafePoll())
        assert.deepStrictEqual(events, ["remember abcd"])
        yield* Fiber.interrupt(writing)
      }))
    }))

  test(
    "closes at the device when it is lost, even if the program keeps it",
    (faults, events) =>
      Effect.gen(function*() {
        const client = yield* ExporterConnection.driver("console")
        yield* Effect.scoped(Effect.gen(function*() {
          yield* client.stream("connect")
          yield* faults.dropConnection
          yield* bench.eventually(() => events.includes("disconnect"))
        }))
      })
  )

  test("has flipped bytes, or a frame that does not decode", (faults) =>
    Effect.gen(function*() {
      yield* faults.next({ kind: "stream" }, Faults.corrupt({ bytes: 3 }))
      const { exit, heard } = yield* bench.converse("abc")
      assert.strictEqual(Exit.isSuccess(exit), true)
      assert.strictEqual(heard, `${new TextDecoder().decode(utf8("abc").map((byte) => ~byte))}bye`)
      yield* faults.next({ kind: "stream" }, Faults.malform({ bytes: 3 }))
      assert.match(
        String(bench.outcome((yield* bench.converse("abc")).exit)),
        /^UnexpectedResult INTERNAL client: malformed message from the exporter/
      )
    }))

  test("is refused when it is opened", (faults, events) =>
    Effect.gen(function*() {
      yield* faults.next({ kind: "stream" }, Faults.fail("UNAVAILABLE", "the port is taken"))
      assert.strictEqual(
        bench.outcome((yield* bench.converse("a")).exit),
        "DriverError UNAVAILABLE driver: the port is taken"
      )
      assert.deepStrictEqual(events, [])
    }))
})

describe("a resource", () => {
  test("is lost during an upload, and the driver's read fails", (faults, events) =>
    Effect.gen(function*() {
      // More bytes than are sent ahead of a driver that does not read.
      yield* faults.next({ kind: "resource", driver: "storage" }, Faults.drop({ bytes: 206 }))
      assert.strictEqual(yield* bench.outcomeOf(bench.upload("0123456789".repeat(40))), lost)
      yield* bench.eventually(() => events.length > 0)
      assert.deepStrictEqual(events, ["write broke off"])
    }))

  test("fails when its upload is cut off, even if the driver ignores that", (faults, events) =>
    Effect.gen(function*() {
      for (const bytes of [6, 10]) {
        yield* faults.next({ kind: "resource" }, Faults.fail("INTERNAL", "broke off", { bytes }))
        assert.strictEqual(
          yield* bench.outcomeOf(bench.upload("0123456789", "lenient")),
          "DriverError INTERNAL driver: broke off"
        )
      }
      yield* bench.eventually(() => events.length === 2)
    }))

  test("is uploaded too short, and the call succeeds", (faults, events) =>
    Effect.gen(function*() {
      yield* faults.next({ kind: "resource" }, Faults.truncate({ bytes: 6 }))
      assert.deepStrictEqual(yield* bench.outcomeOf(bench.upload("0123456789")), { value: 6 })
      assert.deepStrictEqual(events, ["wrote 012345"])
    }))

  test("is uploaded with flipped bytes", (faults, events) =>
    Effect.gen(function*() {
      yield* faults.next({ kind: "resource" }, Faults.corrupt({ bytes: 6 }))
      assert.deepStrictEqual(yield* bench.outcomeOf(bench.upload("0123456789")), { value: 10 })
      assert.match(events.join(), /^wrote 012345\W+89$/)
    }))

  test("is lost during a download", (faults) =>
    Effect.gen(function*() {
      yield* faults.next({ kind: "resource" }, Faults.drop({ bytes: 6 }))
      const { exit, received } = yield* bench.download("0123456789")
      assert.deepStrictEqual([received, bench.outcome(exit)], ["012345", lost])
    }))

  test("is downloaded too short, and the call succeeds", (faults) =>
    Effect.gen(function*() {
      yield* faults.next({ kind: "resource" }, Faults.truncate({ bytes: 6 }))
      const { exit, received } = yield* bench.download("0123456789".repeat(100))
      assert.deepStrictEqual([received, bench.outcome(exit)], ["012345", { value: null }])
    }))
})

describe("a plan", () => {
  test(
    "applies to the RPC with the given driver, method, kind and occurrence",
    (faults, events) =>
      Effect.gen(function*() {
        const power = yield* bench.power
        const relay = yield* ExporterConnection.driver("group.relay")
        const planned = yield* faults.next(
          { driver: "power", method: "set", occurrence: 2 },
          Faults.fail("ABORTED", "no")
        )
        assert.deepStrictEqual(yield* faults.pending, [{ driver: "power", method: "set", occurrence: 2 }])
        yield* power.call("on")
        yield* power.call("set", 1)
        assert.strictEqual(yield* bench.outcomeOf(power.call("set", 2)), "DriverError ABORTED driver: no")
        yield* planned.happened
        yield* power.call("set", 3)
        // A proxied driver has both paths.
        yield* faults.next({ driver: "group.relay" }, Faults.fail("ABORTED", "there"))
        assert.strictEqual(yield* bench.outcomeOf(relay.call("on")), "DriverError ABORTED driver: there")
        assert.deepStrictEqual(events, ["on", "set [1]", "set [3]"])
      })
  )

  test("made by `always` stays until it is cleared", (faults) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.always({ driver: "power", method: "on" }, Faults.fail("INTERNAL", "stuck"))
      for (const _ of [1, 2, 3]) {
        assert.strictEqual(yield* bench.outcomeOf(power.call("on")), "DriverError INTERNAL driver: stuck")
      }
      yield* faults.clear
      assert.deepStrictEqual(yield* bench.outcomeOf(power.call("on")), { value: null })
    }))

  it.effect("dies when the test succeeds before the fault happens", () =>
    Effect.gen(function*() {
      const { drivers } = yield* bench.make
      const planning = (fails: Effect.Effect<void, string>) =>
        Effect.gen(function*() {
          const { next } = yield* FaultyExporter.FaultyExporter
          yield* next({ driver: "pwoer" }, Faults.drop("before"))
          yield* next({ driver: "power" }, Faults.drop({ messages: 100 }))
          yield* Effect.flatMap(bench.power, (power) => power.call("on"))
          yield* fails
        }).pipe(Effect.provide(FaultyExporter.layer(drivers)), Effect.exit)
      assert.include(
        String(yield* planning(Effect.void)),
        `planned faults did not happen: {\\"driver\\":\\"pwoer\\"},{\\"driver\\":\\"power\\"}`
      )
      assert.notInclude(String(yield* planning(Effect.fail("no"))), "planned")
    }))

  it.effect("dies when the fault cannot apply to its RPC", () =>
    Effect.gen(function*() {
      const { drivers } = yield* bench.make
      const misplaced = (fault: Faults.Fault) =>
        Effect.gen(function*() {
          yield* Effect.flatMap(FaultyExporter.FaultyExporter, ({ next }) => next({ method: "on" }, fault))
          yield* Effect.flatMap(bench.power, (power) => power.call("on"))
        }).pipe(Effect.provide(FaultyExporter.layer(drivers)), Effect.exit)
      assert.include(String(yield* misplaced(Faults.truncate("after"))), "only streams can be truncated")
      assert.include(String(yield* misplaced(Faults.corrupt("before"))), "use malform for other RPCs")
    }))
})

describe("a lost connection", () => {
  test("is restored after `downFor`", (faults) =>
    Effect.gen(function*() {
      const power = yield* bench.power
      yield* faults.next({ method: "on" }, Faults.drop("before", { downFor: "5 seconds" }))
      yield* bench.outcomeOf(power.call("on"))
      yield* TestClock.adjust("4999 millis")
      assert.match(String(yield* bench.outcomeOf(power.call("on"))), /ECONNREFUSED/)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* bench.outcomeOf(power.call("on")), { value: null })
    }))
})
