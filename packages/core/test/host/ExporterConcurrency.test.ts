// How many calls of a driver run at once, and what happens to the others.
import {
  Driver,
  DriverFailure,
  Exporter,
  ExporterConnection,
  GrpcChannel,
  type LogEntry
} from "@effect-jumpstarter/core"
import type { ProtobufValue } from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Stream } from "effect"

// Calls that wait until a test releases them by the name they are called with.
const makeDesk = Effect.sync(() => {
  const running: Array<ProtobufValue.JsonValue> = []
  const most = { running: 0 }
  const ends = new Map<ProtobufValue.JsonValue, Deferred.Deferred<void, DriverFailure.DriverFailure>>()
  const begun = new Map<ProtobufValue.JsonValue, Deferred.Deferred<void>>()
  const of = <A, E>(map: Map<ProtobufValue.JsonValue, Deferred.Deferred<A, E>>, name: ProtobufValue.JsonValue) =>
    Effect.gen(function*() {
      const deferred = map.get(name) ?? (yield* Deferred.make<A, E>())
      map.set(name, deferred)
      return deferred
    })
  const work = (name: ProtobufValue.JsonValue = null) =>
    Effect.gen(function*() {
      running.push(name)
      most.running = Math.max(most.running, running.length)
      yield* Deferred.succeed(yield* of(begun, name), undefined)
      yield* Deferred.await(yield* of(ends, name))
      return name
    }).pipe(Effect.ensuring(Effect.sync(() => running.splice(running.indexOf(name), 1))))
  const driver = (concurrency?: number) =>
    Driver.make({
      client: "desk",
      methods: {
        work: Driver.call(([name]) => work(name)),
        watch: Driver.streamingCall(([name]) => Stream.concat(Stream.make("watching"), Stream.fromEffect(work(name)))),
        die: Driver.call(() => Effect.die(new Error("out of paper"))),
        connect: Driver.streamTransform((input) => input)
      },
      concurrency
    })
  return {
    driver,
    most,
    running,
    begins: (name: string) => Effect.flatMap(of(begun, name), Deferred.await),
    hasBegun: (name: string) => running.includes(name),
    end: (name: string) => Effect.flatMap(of(ends, name), (deferred) => Deferred.succeed(deferred, undefined)),
    fail: (name: string, failure: DriverFailure.DriverFailure) =>
      Effect.flatMap(of(ends, name), (deferred) => Deferred.fail(deferred, failure))
  }
})

const desk = ExporterConnection.driver("desk")

// Runs everything that can run: in memory nothing takes time.
const settle = Effect.yieldNow().pipe(Effect.repeatN(200))

// Sends calls one after the other, so that they arrive in this order.
const send = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const client = yield* desk
  return yield* Effect.forEach(names, (name) => Effect.zipLeft(Effect.fork(client.call("work", name)), settle))
})

describe("the concurrency of a driver", () => {
  it.effect("is unbounded unless given", () =>
    Effect.gen(function*() {
      const { begins, driver, end, running } = yield* makeDesk
      yield* Effect.gen(function*() {
        const calls = yield* send(["a", "b", "c"])
        yield* begins("c")
        assert.deepStrictEqual(running, ["a", "b", "c"])
        yield* Effect.forEach(["a", "b", "c"], end)
        yield* Fiber.joinAll(calls)
      }).pipe(Effect.provide(ExporterTest.layer({ desk: driver() })))
    }))

  it.effect("runs that many calls at once, and the others in the order they came", () =>
    Effect.gen(function*() {
      const { begins, driver, end, most, running } = yield* makeDesk
      yield* Effect.gen(function*() {
        const calls = yield* send(["a", "b", "c", "d", "e"])
        assert.deepStrictEqual(running, ["a", "b"])
        yield* end("b")
        yield* begins("c")
        assert.deepStrictEqual(running, ["a", "c"])
        // A call that comes just as another ends does not overtake.
        const client = yield* desk
        const late = yield* Effect.fork(client.call("work", "late"))
        yield* end("a")
        yield* begins("d")
        yield* settle
        assert.deepStrictEqual(running, ["c", "d"])
        yield* Effect.forEach(["c", "d", "e", "late"], end)
        assert.deepStrictEqual((yield* Fiber.joinAll(calls)).map(String), ["a", "b", "c", "d", "e"])
        yield* Fiber.join(late)
        assert.strictEqual(most.running, 2)
      }).pipe(Effect.provide(ExporterTest.layer({ desk: driver(2) })))
    }))

  it.effect("counts streaming calls until their end, and no byte streams", () =>
    Effect.gen(function*() {
      const { begins, driver, end, hasBegun } = yield* makeDesk
      yield* Effect.gen(function*() {
        const client = yield* desk
        const console = yield* client.stream("connect")
        const watching = yield* Effect.fork(Stream.runCollect(client.streamingCall("watch", "watch")))
        yield* begins("watch")
        const [call] = yield* send(["call"])
        assert.isFalse(hasBegun("call"))
        yield* console.write(new Uint8Array([1]))
        assert.isTrue(Option.isSome(yield* Stream.runHead(console.read)))
        yield* client.stream("connect")
        yield* end("watch")
        yield* Fiber.join(watching)
        yield* begins("call")

        // And vice versa: a streaming call waits for a call, and a stream that is abandoned early also ends its turn.
        const head = yield* Effect.fork(Stream.runHead(client.streamingCall("watch", "again")))
        yield* settle
        assert.isFalse(hasBegun("again"))
        yield* end("call")
        assert.strictEqual(yield* Fiber.join(call!), "call")
        assert.deepStrictEqual(yield* Fiber.join(head), Option.some("watching"))
        yield* end("last")
        yield* client.call("work", "last")
      }).pipe(Effect.scoped, Effect.provide(ExporterTest.layer({ desk: driver(1) })))
    }))

  it.effect("passes on the turn of a call that fails, dies, or is interrupted", () =>
    Effect.gen(function*() {
      const { begins, driver, end, fail } = yield* makeDesk
      yield* Effect.gen(function*() {
        const client = yield* desk
        const [failing, interrupted] = yield* send(["failing", "interrupted"])
        const dying = yield* Effect.fork(client.call("die"))
        yield* settle
        const [last] = yield* send(["last"])
        yield* fail("failing", DriverFailure.make("Device", "jammed"))
        assert.strictEqual((yield* Effect.flip(Fiber.join(failing!))).details, "jammed")
        yield* begins("interrupted")
        yield* Fiber.interrupt(interrupted!)
        assert.strictEqual((yield* Effect.flip(Fiber.join(dying))).details, "out of paper")
        yield* begins("last")
        yield* end("last")
        yield* Fiber.join(last!)
      }).pipe(Effect.provide(ExporterTest.layer({ desk: driver(1) })))
    }))

  it.effect("refuses calls when the queue is full", () =>
    Effect.gen(function*() {
      const { driver, hasBegun } = yield* makeDesk
      yield* Effect.gen(function*() {
        const client = yield* desk
        yield* send(["first", "second", "third"])
        assert.strictEqual(
          (yield* Effect.flip(client.call("work", "fourth"))).message,
          "call desk.work failed (RESOURCE_EXHAUSTED): 2 calls already wait for this driver (limits.waitingCalls)"
        )
        assert.isFalse(hasBegun("fourth"))
      }).pipe(Effect.provide(ExporterTest.layer({ desk: driver(1) }, { limits: { waitingCalls: 2 } })))
    }))

  it.effect("removes a call that gives up waiting from the queue at once", () =>
    Effect.gen(function*() {
      const { begins, driver, end, hasBegun } = yield* makeDesk
      yield* Effect.gen(function*() {
        const [first, impatient, patient] = yield* send(["first", "impatient", "patient"])
        yield* Fiber.interrupt(impatient!)
        // There is room in the queue again, behind the call that still waits.
        const [next] = yield* send(["next"])
        yield* end("first")
        yield* Fiber.join(first!)
        yield* begins("patient")
        assert.isFalse(hasBegun("next"))
        yield* end("patient")
        yield* Fiber.join(patient!)
        yield* end("next")
        yield* Fiber.join(next!)
        assert.isFalse(hasBegun("impatient"))
      }).pipe(Effect.provide(ExporterTest.layer({ desk: driver(1) }, { limits: { waitingCalls: 2 } })))
    }))

  it.effect("releases every turn, however many calls are interrupted as they get theirs", () =>
    Effect.gen(function*() {
      const { driver, end, most } = yield* makeDesk
      yield* Effect.gen(function*() {
        const client = yield* desk
        for (let round = 0; round < 50; round++) {
          const calls = yield* Effect.replicateEffect(Effect.fork(client.call("work", "busy")), 8)
          yield* Effect.repeatN(Effect.yieldNow(), round)
          yield* Fiber.interruptAll(calls)
        }
        yield* Effect.forEach(["a", "b", "c"], end)
        yield* Fiber.joinAll(yield* send(["a", "b", "c"]))
        assert.strictEqual(most.running, 3)
      }).pipe(Effect.provide(ExporterTest.layer({ desk: driver(3) })))
    }))

  it.effect("belongs to the driver: a proxy shares it, another driver does not", () =>
    Effect.gen(function*() {
      const { begins, driver, end, hasBegun } = yield* makeDesk
      const shared = driver(1)
      yield* Effect.gen(function*() {
        const proxy = yield* ExporterConnection.driver("nested.proxy")
        const other = yield* ExporterConnection.driver("other")
        const [first] = yield* send(["first"])
        const second = yield* Effect.fork(proxy.call("work", "second"))
        yield* settle
        assert.isFalse(hasBegun("second"))
        yield* end("elsewhere")
        yield* other.call("work", "elsewhere")
        yield* end("first")
        yield* begins("second")
        yield* end("second")
        yield* Fiber.joinAll([first!, second])
      }).pipe(
        Effect.provide(
          ExporterTest.layer({ desk: shared, nested: Driver.composite({ proxy: shared }), other: driver(1) })
        )
      )
    }))

  it.effect("keeps an operation out of the log until it starts", () =>
    Effect.gen(function*() {
      const { begins, driver, end } = yield* makeDesk
      yield* Effect.gen(function*() {
        const { logs } = yield* ExporterConnection.ExporterConnection
        const client = yield* desk
        const lines: Array<string> = []
        const done = yield* Deferred.make<void>()
        yield* Effect.forkScoped(
          logs.pipe(
            Stream.filter((event): event is LogEntry.LogEntry => event._tag === "LogEntry"),
            Stream.runForEach(({ message, operation }) => {
              lines.push(`${Option.getOrElse(operation, () => "")}: ${message}`)
              return lines.length === 6 ? Deferred.succeed(done, undefined) : Effect.void
            })
          )
        )
        const calls = yield* send(["first", "second"])
        const last = yield* Effect.fork(Stream.runDrain(client.streamingCall("watch", "last")))
        yield* settle
        for (const name of ["first", "second", "last"]) {
          yield* begins(name)
          yield* end(name)
        }
        yield* Fiber.joinAll(calls)
        yield* Fiber.join(last)
        yield* Deferred.await(done)
        assert.deepStrictEqual(lines, [
          "work: Operation started",
          "work: Operation completed",
          "work: Operation started",
          "work: Operation completed",
          "watch: Operation started",
          "watch: Operation completed"
        ])
      }).pipe(Effect.scoped, Effect.provide(ExporterTest.layer({ desk: driver(1) })))
    }))

  it.scoped("must be a number of 1 or more", () =>
    Effect.gen(function*() {
      const { driver } = yield* makeDesk
      for (const concurrency of [0, -1, 1.5, NaN, Infinity]) {
        const exit = yield* Effect.exit(Exporter.make(Driver.composite({ desk: driver(concurrency) })))
        assert.include(
          String(Exit.match(exit, { onFailure: String, onSuccess: () => "hosted" })),
          `the concurrency of the driver "desk" is ${concurrency}; it must be a whole number of 1 or more, or "unbounded"`
        )
      }
    }))
})

describe("a byte stream for one client at a time", () => {
  it.scoped("refuses a second one by failing to open, until the first has closed", () =>
    Effect.gen(function*() {
      let taken = false
      const take = Effect.suspend(() => {
        if (taken) return DriverFailure.make("Device", "somebody else has the console")
        taken = true
        return Effect.void
      })
      const giveBack = Effect.sync(() => {
        taken = false
      })
      const exporter = yield* Exporter.make(Driver.make({
        client: "console",
        methods: {
          connect: Driver.stream(Effect.as(Effect.acquireRelease(take, () => giveBack), {
            read: Stream.never,
            write: () => Effect.void,
            end: Effect.void
          }))
        }
      }))
      const { root } = yield* ExporterConnection.fromChannel(yield* GrpcChannel.fromHandlers(exporter.handlers))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* root.stream("connect")
        const error = yield* Effect.flip(Effect.scoped(root.stream("connect")))
        assert.deepStrictEqual([error._tag, error.code], ["DriverError", "INTERNAL"])
        assert.include(error.message, "somebody else has the console")
      }))
      yield* root.stream("connect")
    }))
})
