// Limits on what clients can make an exporter hold, and what happens beyond them (design: semantics 10).
import {
  Driver,
  DriverFailure,
  Endpoint,
  Exporter,
  ExporterClient,
  ExporterConnection,
  GrpcChannel,
  LogEntry,
  Resource
} from "@effect-jumpstarter/core"
import type { JsonValue } from "@effect-jumpstarter/core/ProtobufValue"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, Option, type Scope, Sink, Stream, TestClock } from "effect"
import * as temporary from "../support/temporary.ts"

const device = ExporterConnection.driver("device")

// A driver that reads a resource when the test says so.
const makeReader = Effect.gen(function*() {
  const claimed = yield* Deferred.make<void>()
  const go = yield* Deferred.make<void>()
  const driver = Driver.make({
    client: "device",
    methods: {
      read: Driver.call(([handle], { resource }) =>
        Effect.gen(function*() {
          const { read } = yield* resource(handle)
          yield* Deferred.succeed(claimed, undefined)
          yield* Deferred.await(go)
          return yield* Stream.runFold(read, 0, (size, { length }) => size + length)
        }).pipe(Effect.scoped)
      )
    }
  })
  return { claimed: Deferred.await(claimed), driver, go: Deferred.succeed(go, undefined) }
})

describe("resources that wait to be used", () => {
  const open = Effect.flatMap(device, (client) => client.resource(Resource.source(Stream.make(new Uint8Array(10)))))

  it.effect("are bounded per driver, and a used one makes room", () =>
    Effect.gen(function*() {
      const { claimed, driver, go } = yield* makeReader
      yield* Effect.gen(function*() {
        const first = yield* open
        yield* open
        const error = yield* Effect.flip(open)
        assert.strictEqual(error._tag === "DriverNotFound" ? error._tag : error.code, "RESOURCE_EXHAUSTED")
        assert.include(error.message, "2 resources of this driver already wait to be used")
        const other = yield* ExporterConnection.driver("other")
        yield* other.resource(Resource.source(Stream.never))

        const reading = yield* Effect.fork(Effect.flatMap(device, (client) => client.call("read", first)))
        yield* claimed
        yield* open
        yield* go
        assert.strictEqual(yield* Fiber.join(reading), 10)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          ExporterTest.layer({ device: driver, other: Driver.composite({}) }, { limits: { pendingResources: 2 } })
        )
      )
    }))

  it.effect("make room when their client closes them", () =>
    Effect.gen(function*() {
      const { driver } = yield* makeReader
      yield* Effect.replicateEffect(Effect.scoped(open), 3, { discard: true }).pipe(
        Effect.provide(ExporterTest.layer({ device: driver }, { limits: { pendingResources: 1 } }))
      )
    }))

  it.effect("wait ten minutes by default, and cannot be used after that", () =>
    Effect.gen(function*() {
      const { driver } = yield* makeReader
      yield* Effect.gen(function*() {
        const client = yield* device
        const handle = yield* client.resource(Resource.source(Stream.never))
        const result = yield* Effect.fork(Effect.flip(handle.result))
        yield* TestClock.adjust("9 minutes")
        assert.isTrue(Option.isNone(yield* Fiber.poll(result)))
        yield* TestClock.adjust("1 minutes")
        const error = yield* Fiber.join(result)
        assert.deepStrictEqual(
          [error._tag, error.code, error.details],
          ["DriverError", "DEADLINE_EXCEEDED", "no call used the resource for 10m (limits.resourceWait)"]
        )
        assert.strictEqual((yield* Effect.flip(client.call("read", handle.handle))).code, "UNKNOWN")
      }).pipe(Effect.scoped, Effect.provide(ExporterTest.layer({ device: driver })))
    }))

  it.effect("are used without a time limit", () =>
    Effect.gen(function*() {
      const { claimed, driver, go } = yield* makeReader
      yield* Effect.gen(function*() {
        const client = yield* device
        const handle = yield* open
        yield* TestClock.adjust("59 seconds")
        const reading = yield* Effect.fork(client.call("read", handle))
        yield* claimed
        yield* TestClock.adjust("10 hours")
        yield* go
        assert.strictEqual(yield* Fiber.join(reading), 10)
      }).pipe(
        Effect.scoped,
        Effect.provide(ExporterTest.layer({ device: driver }, { limits: { resourceWait: "1 minute" } }))
      )
    }))
})

describe("a resource that is an argument of a call that does not open it", () => {
  const makeDriver = () => {
    let kept: JsonValue | undefined
    return Driver.make({
      client: "device",
      methods: {
        ignore: Driver.call(([handle]) =>
          Effect.sync(() => {
            kept = handle
          })
        ),
        ignore_items: Driver.streamingCall(() => Stream.make(1, 2)),
        refuse: Driver.call(() => DriverFailure.make("Device", "no")),
        open_kept: Driver.call((_, { resource }) => Effect.asVoid(Effect.scoped(resource(kept))))
      }
    })
  }

  const open = Effect.flatMap(device, (client) => client.resource(Resource.sink(Sink.count)))

  const connected = <A, E>(use: Effect.Effect<A, E, ExporterConnection.ExporterConnection | Scope.Scope>) =>
    use.pipe(Effect.scoped, Effect.provide(ExporterTest.layer({ device: makeDriver() })))

  it.effect("is released when the call ends", () =>
    connected(Effect.gen(function*() {
      const client = yield* device
      const called = yield* open
      yield* client.call("ignore", called, "another argument")
      assert.strictEqual(yield* called.result, 0)
      const streamed = yield* open
      yield* Stream.runDrain(client.streamingCall("ignore_items", streamed))
      assert.strictEqual(yield* streamed.result, 0)
      const refused = yield* open
      yield* Effect.flip(client.call("refuse", refused))
      assert.strictEqual((yield* Effect.flip(refused.result)).code, "ABORTED")
    })), 5_000)

  it.effect("cannot be opened later", () =>
    connected(Effect.gen(function*() {
      const client = yield* device
      yield* client.call("ignore", (yield* open).handle)
      const error = yield* Effect.flip(client.call("open_kept"))
      assert.include(error.details, "is not open, or was used before")
    })))
})

describe("the log", () => {
  const line = (message: string, fields: Record<string, string> = {}) =>
    new LogEntry.LogEntry({
      severity: "INFO",
      message,
      source: "DRIVER",
      driverType: Option.none(),
      operation: Option.none(),
      timestamp: Option.none(),
      fields
    })

  const makeHost = Effect.fnUntraced(function*(limits?: Exporter.ExporterLimits) {
    const exporter = yield* Exporter.make(Driver.composite({}), { limits })
    const client = ExporterClient.make(yield* GrpcChannel.fromHandlers(exporter.handlers))
    const say = (from: number, to: number) =>
      Effect.forEach(Chunk.range(from, to), (n) => exporter.log(line(String(n))), { discard: true })
    return { exporter, logStream: client.logStream, say }
  })

  const upTo = (last: number) => Stream.takeUntil<LogEntry.LogEntry>(({ message }) => message === String(last))

  const read = (last: number) => <E>(entries: Stream.Stream<LogEntry.LogEntry, E>) =>
    Effect.map(Stream.runCollect(upTo(last)(entries)), Chunk.toReadonlyArray)

  const numbers = (from: number, to: number) => Array.from(Chunk.range(from, to), String)

  it.scoped.each([[undefined, 256], [3, 3], [1, 1]] as const)(
    "keeps the latest lines: limit %s",
    ([limit, kept]) =>
      Effect.gen(function*() {
        const { logStream, say } = yield* makeHost({ logBacklog: limit })
        for (const [first, last] of [[1, 1], [2, 1_000], [1_001, 1_255], [1_256, 1_256]] as const) {
          yield* say(first, last)
          const seen = yield* read(last)(logStream)
          assert.deepStrictEqual(seen.map(({ message }) => message), numbers(Math.max(1, last - kept + 1), last))
        }
      })
  )

  it.scoped(
    "keeps nothing for a late reader, and the latest line for a slow one: limit 0",
    () =>
      Effect.gen(function*() {
        const { logStream, say } = yield* makeHost({ logBacklog: 0 })
        yield* say(1, 10)
        const seen: Array<string> = []
        const reading = yield* Effect.fork(
          Stream.runForEach(upTo(12)(logStream), ({ message }) => Effect.sync(() => void seen.push(message)))
        )
        yield* Effect.repeatN(Effect.yieldNow(), 100)
        yield* say(11, 11)
        yield* Effect.repeatN(Effect.yieldNow(), 100)
        yield* say(12, 12)
        yield* Fiber.join(reading)
        assert.deepStrictEqual(seen, ["11", "12"])
      }),
    5_000
  )

  it.scoped("drops the oldest lines of a slow reader, says how many, and does not hold up others", () =>
    Effect.gen(function*() {
      const { exporter, logStream, say } = yield* makeHost({ logBacklog: 10 })
      const started = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const slow = yield* logStream.pipe(
        Stream.tap(({ message }) =>
          message === "1" ? Effect.zipRight(Deferred.succeed(started, undefined), Deferred.await(goOn)) : Effect.void
        ),
        read(1_000),
        Effect.fork
      )
      const fast = yield* Effect.fork(read(1_000)(logStream))
      yield* Effect.repeatN(Effect.yieldNow(), 100)
      yield* say(1, 1)
      yield* Deferred.await(started)
      for (let n = 2; n <= 1_000; n++) {
        yield* say(n, n)
        yield* Effect.repeatN(Effect.yieldNow(), 10)
      }
      assert.deepStrictEqual((yield* Fiber.join(fast)).map(({ message }) => message), numbers(1, 1_000))

      yield* Deferred.succeed(goOn, undefined)
      const seen = yield* Fiber.join(slow)
      const notices = seen.filter(({ source }) => source === "SYSTEM")
      const lines = seen.filter(({ source }) => source === "DRIVER").map(({ message }) => Number(message))
      assert.strictEqual(notices.length, 1)
      const [notice] = notices
      assert.strictEqual(notice?.severity, "WARNING")
      const dropped = Number(notice?.fields["dropped"])
      assert.strictEqual(notice?.message, `${dropped} log lines were dropped, the reader is too slow`)
      assert.strictEqual(lines.length + dropped, 1_000)
      assert.deepStrictEqual(lines.slice(-10), numbers(991, 1_000).map(Number), "the latest are kept")
      // The notice is where the lines are missing.
      const before = Number(seen[seen.indexOf(notice!) - 1]?.message)
      const after = Number(seen[seen.indexOf(notice!) + 1]?.message)
      assert.strictEqual(after - before - 1, dropped)
      assert.isBelow(lines.length, 100, "what is kept for it is bounded")
      yield* exporter.log(line("on it goes"))
    }))

  it.scoped("also tells a reader that is slow from the first line", () =>
    Effect.gen(function*() {
      const { logStream, say } = yield* makeHost({ logBacklog: 2 })
      yield* say(1, 2)
      const pull = yield* Stream.toPull(logStream)
      // The server runs ahead of this reader by a bounded number of lines, and then falls behind.
      const first = yield* pull
      yield* say(3, 500)
      const rest = yield* read(500)(Stream.repeatEffectChunkOption(pull))
      const seen = [...first, ...rest]
      const lines = seen.filter(({ source }) => source === "DRIVER")
      const dropped = seen.flatMap(({ fields }) => Number(fields["dropped"] ?? 0)).reduce((sum, n) => sum + n, 0)
      assert.strictEqual(lines.length + dropped, 500)
      assert.isAbove(dropped, 0)
    }))

  const cutAt = (limits: Exporter.ExporterLimits, length: number) =>
    Effect.gen(function*() {
      const driver = Driver.make({
        client: "device",
        methods: {
          chatter: Driver.call(() =>
            Effect.annotateLogs(Effect.log("x".repeat(5_000_000)), "dump", "y".repeat(5_000_000))
          )
        }
      })
      const exporter = yield* Exporter.make(Driver.composite({ device: driver }), { limits, localLogs: false })
      const path = yield* temporary.socketPath
      yield* Exporter.serve(exporter, { path })
      const { driver: find, logs } = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path))
      const reading = yield* Effect.fork(Stream.runHead(Stream.filter(
        logs,
        (event): event is LogEntry.LogEntry => event._tag === "LogEntry" && event.message.startsWith("x")
      )))
      yield* Effect.flatMap(find("device"), (client) => client.call("chatter"))
      const { fields, message } = yield* Effect.flatten(Effect.timeout(Fiber.join(reading), "5 seconds"))
      const more = `… (${5_000_000 - length} more characters)`
      assert.strictEqual(message, `${"x".repeat(length)}${more}`)
      assert.strictEqual(fields["dump"], `${"y".repeat(length)}${more}`)
    })

  it.scopedLive("cuts lines that no reader could take", () => cutAt({}, 65_536))

  it.scoped("cuts a line that is too long although each of its fields fits", () =>
    Effect.gen(function*() {
      const fields = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`f${index}`, "漢".repeat(60_000)]))
      const chatter = Driver.call(() => Effect.annotateLogs(Effect.log("hello"), fields))
      const driver = Driver.make({ client: "c", methods: { chatter } })
      yield* Effect.gen(function*() {
        const { logs, root } = yield* ExporterConnection.ExporterConnection
        yield* (yield* root.child("device")).call("chatter")
        const event = yield* Effect.flatten(Stream.runHead(Stream.filter(
          logs,
          (event): event is LogEntry.LogEntry => event._tag === "LogEntry" && event.message === "hello"
        )))
        const length = Object.values(event.fields).join("").length
        assert.isAbove(length, 900_000)
        assert.isBelow(length, 1_100_000)
      }).pipe(Effect.provide(ExporterTest.layer({ device: driver })))
    }))

  it.scopedLive("cuts lines at the given length", () => cutAt({ logLineLength: 100 }, 100))
})
