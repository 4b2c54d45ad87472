import { LogStreamResponse } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { assert, describe, it } from "@effect/vitest"
import {
  Chunk,
  Clock,
  DateTime,
  Effect,
  Exit,
  Fiber,
  HashMap,
  Logger,
  LogLevel,
  Option,
  Queue,
  Ref,
  Scope,
  Stream,
  TestClock
} from "effect"
import * as ExporterClient from "../../src/client/ExporterClient.ts"
import * as LogStream from "../../src/client/LogStream.ts"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as logCodec from "../../src/protocol/logCodec.ts"
import * as LogEntry from "../../src/protocol/LogEntry.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as bench from "../support/bench.ts"

const entry = (
  message: string,
  severity: LogEntry.LogSeverity = "INFO",
  source: LogEntry.LogSource = "DRIVER"
): LogEntry.LogEntry =>
  new LogEntry.LogEntry({
    severity,
    message,
    source,
    driverType: Option.none(),
    operation: Option.none(),
    timestamp: Option.none(),
    fields: {}
  })

// What an exporter does on its log stream: it sends lines, ends the RPC, or fails it.
type Step = LogEntry.LogEntry | "end" | GrpcStatus.GrpcStatusError

const show = (event: LogEntry.LogEvent): string =>
  event._tag === "LogEntry"
    ? event.message
    : `gap: ${event.reason} ${Option.getOrElse(event.dropped, () => "?")}`

// An exporter that follows a script, and counts who subscribes.
const scripted = Effect.gen(function*() {
  const steps = yield* Queue.unbounded<Step>()
  const subscriptions = yield* Ref.make(0)
  const open = yield* Ref.make(0)
  const subscribed = yield* Queue.unbounded<void>()
  const released = yield* Queue.unbounded<void>()
  const lines = Stream.repeatEffectOption(Effect.flatMap(Queue.take(steps), (step) => {
    if (step === "end") return Effect.fail(Option.none())
    return step._tag === "LogEntry"
      ? Effect.succeed(LogStreamResponse.encode(logCodec.toProto(step)).finish())
      : Effect.fail(Option.some(step))
  }))
  const handler = GrpcHandler.ServerStreaming({
    handle: () =>
      Stream.unwrapScoped(Effect.as(
        Effect.acquireRelease(
          Effect.all([
            Ref.update(subscriptions, (n) => n + 1),
            Ref.update(open, (n) => n + 1),
            Queue.offer(subscribed, undefined)
          ]),
          () => Effect.all([Ref.update(open, (n) => n - 1), Queue.offer(released, undefined)])
        ),
        lines
      ))
  })
  const channel = yield* GrpcChannel.fromHandlers(
    new Map([["/jumpstarter.v1.ExporterService/LogStream", handler]]),
    { target: "bench" }
  )
  return {
    logs: yield* LogStream.make(ExporterClient.make(channel)),
    send: (...all: ReadonlyArray<Step>) => Queue.offerAll(steps, all),
    subscribed: Queue.take(subscribed),
    released: Queue.take(released),
    subscriptions: Ref.get(subscriptions),
    open: Ref.get(open)
  }
})

// Yields until all fibers have come to rest.
const settle = Effect.repeatN(Effect.yieldNow(), 200)

// A consumer, and the events it has received so far.
const consume = (logs: LogStream.LogStream) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const fiber = yield* Effect.fork(
      Stream.runForEach(logs.events, (event) => Effect.sync(() => seen.push(show(event))))
    )
    return { seen, fiber }
  })

const outage = GrpcStatus.make("UNAVAILABLE", "restarting")

describe("LogStream", () => {
  describe("a subscription that is renewed", () => {
    const at = (message: string, time: number) =>
      new LogEntry.LogEntry({ ...entry(message), timestamp: Option.some(DateTime.unsafeMake(time)) })

    it.scoped("leaves out lines that the exporter repeats", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { seen } = yield* consume(exporter.logs)
        yield* exporter.send(at("a", 1), at("b", 2), at("b", 2), at("c", 3), outage)
        yield* settle
        yield* TestClock.adjust("1 second")
        // Fewer lines than before, then new ones.
        yield* exporter.send(at("b", 2), at("c", 3), at("d", 4), at("c", 3))
        yield* settle
        assert.deepStrictEqual(seen, ["a", "b", "b", "c", "gap: interrupted ?", "d", "c"])
      }))

    it.scoped("keeps lines without a time, because they look alike", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { seen } = yield* consume(exporter.logs)
        yield* exporter.send(entry("tick"), outage)
        yield* settle
        yield* TestClock.adjust("1 second")
        yield* exporter.send(entry("tick"))
        yield* settle
        assert.deepStrictEqual(seen, ["tick", "gap: interrupted ?", "tick"])
      }))
  })

  describe("one subscription", () => {
    it.scoped("is held only while somebody listens", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        yield* settle
        assert.strictEqual(yield* exporter.subscriptions, 0)
        const consumer = yield* consume(exporter.logs)
        yield* exporter.subscribed
        yield* Fiber.interrupt(consumer.fiber)
        assert.strictEqual(yield* exporter.open, 0)
        const next = yield* consume(exporter.logs)
        yield* exporter.subscribed
        yield* exporter.send(entry("again"))
        yield* settle
        assert.deepStrictEqual(next.seen, ["again"])
        assert.strictEqual(yield* exporter.subscriptions, 2)
      }))

    it.scoped("is shared by all consumers, and each gets every line", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const first = yield* consume(exporter.logs)
        yield* exporter.subscribed
        yield* exporter.send(entry("a"))
        yield* settle
        const second = yield* consume(exporter.logs)
        yield* settle
        yield* exporter.send(entry("b"), entry("c"))
        yield* settle
        assert.deepStrictEqual(first.seen, ["a", "b", "c"])
        assert.deepStrictEqual(second.seen, ["b", "c"])
        assert.strictEqual(yield* exporter.subscriptions, 1)
        yield* Fiber.interrupt(first.fiber)
        assert.strictEqual(yield* exporter.open, 1)
        yield* exporter.send(entry("d"))
        yield* settle
        assert.deepStrictEqual(second.seen, ["b", "c", "d"])
        yield* Fiber.interrupt(second.fiber)
        assert.strictEqual(yield* exporter.open, 0)
      }))

    it.scoped("is released when a consumer stops early", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        yield* exporter.send(entry("a"), entry("b"))
        const some = yield* Stream.runCollect(Stream.take(exporter.logs.events, 1))
        assert.deepStrictEqual(Array.from(some, show), ["a"])
        assert.strictEqual(yield* exporter.open, 0)
      }))

    it.effect("ends, and its consumers with it, when the connection closes", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const exporter = yield* Scope.extend(scripted, scope)
        const { fiber } = yield* consume(exporter.logs)
        yield* exporter.subscribed
        yield* Scope.close(scope, Exit.void)
        yield* settle
        assert.strictEqual(yield* exporter.open, 0)
        assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)), "the consumer waits for lines that cannot come")
        assert.deepStrictEqual(yield* Stream.runCollect(exporter.logs.events), Chunk.empty())
      }))
  })

  describe("a consumer that is too slow", () => {
    it.scoped("keeps the lines that fit, and learns how many it lost", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const pull = yield* Stream.toPull(Stream.rechunk(exporter.logs.events, 1))
        const fast = yield* consume(exporter.logs)
        const first = yield* Effect.fork(pull)
        yield* exporter.subscribed
        yield* exporter.send(entry("first"))
        assert.deepStrictEqual(Array.from(yield* Fiber.join(first), show), ["first"])
        const total = 1_500
        yield* exporter.send(...Array.from({ length: total }, (_, index) => entry(`${index}`)))
        yield* settle
        // A consumer that keeps up loses nothing because of a slow one.
        assert.deepStrictEqual(fast.seen.length, total + 1)
        const kept: Array<string> = []
        for (let index = 0; index < 1_024; index++) kept.push(show(Chunk.unsafeHead(yield* pull)))
        assert.deepStrictEqual(kept, Array.from({ length: 1_024 }, (_, index) => `${index}`))
        yield* exporter.send(entry("after"))
        yield* settle
        assert.deepStrictEqual(Array.from(yield* pull, show), [`gap: slow reader ${total - 1_024}`])
        assert.deepStrictEqual(Array.from(yield* pull, show), ["after"])
        assert.notInclude(fast.seen.join(), "gap")
      }))

    it.scoped("learns of the loss even if the log goes quiet", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const taken = yield* Ref.make<ReadonlyArray<string>>([])
        const turn = yield* Queue.unbounded<void>()
        yield* Effect.fork(Stream.runForEach(exporter.logs.events, (event) =>
          Effect.zipRight(Queue.take(turn), Ref.update(taken, (seen) => [...seen, show(event)]))))
        yield* exporter.subscribed
        yield* exporter.send(entry("first"))
        yield* settle
        yield* exporter.send(...Array.from({ length: 1_030 }, (_, index) =>
          entry(`${index}`)))
        yield* settle
        yield* Queue.offerAll(turn, Array.from({ length: 2_000 }, () => undefined))
        yield* settle
        const seen = yield* Ref.get(taken)
        assert.deepStrictEqual([seen.length, seen.at(-2), seen.at(-1)], [1_026, "1023", "gap: slow reader 6"])
      }))
  })

  describe("a subscription that is lost", () => {
    it.scoped("is renewed after 100 ms, with a gap", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { seen } = yield* consume(exporter.logs)
        yield* exporter.subscribed
        yield* exporter.send(entry("a"), outage)
        yield* settle
        yield* TestClock.adjust("99 millis")
        yield* settle
        assert.strictEqual(yield* exporter.subscriptions, 1)
        yield* TestClock.adjust("1 millis")
        yield* exporter.subscribed
        yield* exporter.send(entry("b"), entry("c"))
        yield* settle
        assert.deepStrictEqual(seen, ["a", "gap: interrupted ?", "b", "c"])
      }))

    it.scoped("gives a gap even if the log then goes quiet", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { seen } = yield* consume(exporter.logs)
        yield* exporter.subscribed
        yield* exporter.send(entry("a"), outage)
        yield* settle
        yield* TestClock.adjust("100 millis")
        yield* exporter.subscribed
        yield* settle
        assert.deepStrictEqual(seen, ["a", "gap: interrupted ?"])
      }))

    it.scoped("is also renewed after a clean end", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { seen } = yield* consume(exporter.logs)
        yield* exporter.subscribed
        yield* exporter.send(entry("a"), "end")
        yield* settle
        yield* TestClock.adjust("100 millis")
        yield* exporter.subscribed
        yield* exporter.send(entry("b"))
        yield* settle
        assert.deepStrictEqual(seen, ["a", "gap: interrupted ?", "b"])
      }))

    it.scoped("gives one gap, even before the first line and after several losses", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { seen } = yield* consume(exporter.logs)
        for (const delay of ["100 millis", "200 millis"] as const) {
          yield* exporter.subscribed
          yield* exporter.send(outage)
          yield* settle
          yield* TestClock.adjust(delay)
        }
        yield* exporter.subscribed
        yield* exporter.send(entry("a"))
        yield* settle
        assert.deepStrictEqual(seen, ["gap: interrupted ?", "a"])
      }))

    it.scoped("starts its attempts over after it lasted ten seconds in silence", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { fiber } = yield* consume(exporter.logs)
        yield* exporter.subscribed
        for (let round = 0; round < 20; round++) {
          yield* TestClock.adjust("10 seconds")
          yield* exporter.send(outage)
          yield* settle
          yield* TestClock.adjust("100 millis")
          yield* exporter.subscribed
        }
        assert.deepStrictEqual(yield* Fiber.poll(fiber), Option.none())
      }))

    it.scoped("is retried ten times, with delays that double up to two seconds", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { fiber } = yield* consume(exporter.logs)
        yield* exporter.subscribed
        let expected = 1
        for (const delay of [100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000, 2_000]) {
          yield* exporter.send(outage)
          yield* settle
          yield* TestClock.adjust(delay - 1)
          yield* settle
          assert.strictEqual(yield* exporter.subscriptions, expected)
          yield* TestClock.adjust(1)
          yield* exporter.subscribed
          expected++
        }
        assert.strictEqual(expected, 10)
        yield* exporter.send(outage)
        yield* settle
        yield* TestClock.adjust("1 hour")
        yield* Fiber.join(fiber)
        assert.strictEqual(yield* exporter.subscriptions, 10)
      }))

    it.scoped("is retried as long as there are lines in between", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { fiber, seen } = yield* consume(exporter.logs)
        yield* exporter.subscribed
        for (let round = 0; round < 30; round++) {
          yield* exporter.send(entry(`${round}`), outage)
          yield* settle
          // Every line resets the delay.
          yield* TestClock.adjust("100 millis")
          yield* exporter.subscribed
        }
        assert.deepStrictEqual(yield* Fiber.poll(fiber), Option.none())
        assert.deepStrictEqual(
          seen.filter((line) => !line.startsWith("gap")),
          Array.from({ length: 30 }, (_, n) => `${n}`)
        )
      }))

    it.scoped("is made again by the next consumer after it was given up", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { fiber } = yield* consume(exporter.logs)
        for (let attempt = 0; attempt < 10; attempt++) {
          yield* exporter.send(outage)
          yield* settle
          yield* TestClock.adjust("2 seconds")
        }
        yield* Fiber.join(fiber)
        const before = yield* exporter.subscriptions
        const { seen } = yield* consume(exporter.logs)
        yield* exporter.send(entry("back"))
        yield* settle
        assert.strictEqual(yield* exporter.subscriptions, before + 1)
        assert.deepStrictEqual(seen, ["back"])
      }))

    it.scoped("is not renewed while nobody listens", () =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { fiber } = yield* consume(exporter.logs)
        yield* exporter.subscribed
        yield* exporter.send(outage)
        yield* settle
        yield* Fiber.interrupt(fiber)
        yield* TestClock.adjust("1 minute")
        yield* settle
        assert.strictEqual(yield* exporter.subscriptions, 1)
      }))
  })

  it.scoped.each(["UNIMPLEMENTED", "CANCELLED"] as const)(
    "%s ends the stream without a retry",
    (code) =>
      Effect.gen(function*() {
        const exporter = yield* scripted
        const { fiber, seen } = yield* consume(exporter.logs)
        yield* exporter.subscribed
        yield* exporter.send(entry("a"), GrpcStatus.make(code, ""))
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(seen, ["a"])
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* exporter.subscriptions, 1)
      })
  )

  it.scoped("an exporter without a log has an empty one", () =>
    Effect.gen(function*() {
      const channel = yield* GrpcChannel.fromHandlers(new Map())
      const logs = yield* LogStream.make(ExporterClient.make(channel))
      assert.deepStrictEqual(yield* Stream.runCollect(logs.events), Chunk.empty())
    }))

  it.scoped("begins with the lines that the exporter has kept, and continues in order", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      const lines = Array.from({ length: 200 }, (_, index) => `${index}`)
      for (const line of lines.slice(0, 100)) yield* exporter.log("SYSTEM", line)
      const early: Array<string> = []
      const late: Array<string> = []
      const read = (into: Array<string>) =>
        Effect.zipRight(
          Effect.fork(Stream.runForEach(connection.logs, (event) => Effect.sync(() => into.push(show(event))))),
          bench.settle
        )
      yield* read(early)
      yield* read(late)
      for (const line of lines.slice(100)) yield* exporter.log("SYSTEM", line)
      yield* bench.settle
      assert.deepStrictEqual([early, late], [lines, lines.slice(100)])
    }))

  it.scoped("keeps a byte order mark, which is part of the line", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* bench.make()
      const line = "\ufeffa line that is longer than a name"
      yield* exporter.log("SYSTEM", line)
      assert.deepStrictEqual(Array.from(yield* Stream.runCollect(Stream.take(connection.logs, 1)), show), [line])
    }))

  describe("the backlog", () => {
    const marked = (event: LogEntry.LogEvent) =>
      `${show(event)}${event._tag === "LogEntry" && event.backlog === true ? " (backlog)" : ""}`

    // Reads the log of an exporter that has kept a line.
    const read = Effect.gen(function*() {
      const made = yield* bench.make()
      yield* made.exporter.log("SYSTEM", "early")
      const seen: Array<string> = []
      yield* Effect.fork(
        Stream.runForEach(made.connection.logs, (event) => Effect.sync(() => seen.push(marked(event))))
      )
      return { ...made, seen }
    })

    it.scoped("is every line before the exporter answers a request with no line in between", () =>
      Effect.gen(function*() {
        const { connection, exporter, seen } = yield* read
        yield* Effect.scoped(connection.logStream())
        yield* exporter.log("SYSTEM", "late")
        yield* bench.settle
        assert.deepStrictEqual(seen, ["early (backlog)", "late"])
      }))

    it.scoped("ends with the first call, so that no line of a call counts as backlog", () =>
      Effect.gen(function*() {
        const { exporter, power, seen } = yield* read
        exporter.answer("GetStatus", Effect.never)
        yield* bench.settle
        yield* power.call("on")
        yield* bench.settle
        assert.deepStrictEqual(seen, ["early (backlog)", "Operation started", "Operation completed"])
      }))

    it.scoped("of a second subscription is what came between the two", () =>
      Effect.gen(function*() {
        const { connection, exporter } = yield* bench.make()
        yield* Effect.scoped(connection.logStream())
        yield* exporter.log("SYSTEM", "in between")
        const [first] = yield* Stream.runCollect(Stream.take(connection.logs, 1))
        assert.strictEqual(first && marked(first), "in between (backlog)")
      }))

    it.scoped("is awaited for at most half a second of real time, even on a TestClock", () =>
      Effect.gen(function*() {
        const { connection, exporter } = yield* bench.make()
        exporter.answer("GetStatus", Effect.never)
        const real = Clock.make()
        const before = yield* real.currentTimeMillis
        yield* Effect.scoped(connection.logStream())
        assert.isBelow((yield* real.currentTimeMillis) - before, 5_000)
      }))
  })

  describe("the end of a scope", () => {
    // Uses a connection whose log goes into a logger, and returns the logged lines.
    const logged = (
      use: (made: Effect.Effect.Success<ReturnType<typeof bench.make>>) => Effect.Effect<unknown, unknown, Scope.Scope>
    ) =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const logger = Logger.make<unknown, void>(({ message }) => {
          seen.push(String(message))
        })
        const made = yield* bench.make()
        const asked = { before: 0, after: 0 }
        yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
          yield* made.connection.logStream()
          asked.before = made.wire.begun("GetStatus")
          yield* use(made)
        }))).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
        asked.after = made.wire.begun("GetStatus")
        return { seen, asked: asked.after - asked.before }
      })

    const whole = ["Operation started", "Operation completed"]

    it.scoped("waits for the lines of calls that have ended", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual((yield* logged(({ power }) => power.call("on"))).seen, whole)
      }))

    it.scoped("also waits for them after a failure", () =>
      Effect.gen(function*() {
        const { seen } = yield* logged(({ power }) => Effect.zipRight(power.call("on"), Effect.fail("no")))
        assert.deepStrictEqual(seen, whole)
      }))

    it.scoped("also waits for them after an interruption", () =>
      Effect.gen(function*() {
        const { seen } = yield* logged(({ power }) => Effect.zipRight(power.call("on"), Effect.interrupt))
        assert.deepStrictEqual(seen, whole)
      }))

    it.scoped("waits for the lines of a call that was interrupted", () =>
      Effect.gen(function*() {
        const { seen } = yield* logged(({ calls, power }) =>
          Effect.raceFirst(power.call("hang"), Effect.repeat(bench.settle, { until: () => calls.length > 0 }))
        )
        assert.deepStrictEqual(seen, ["Operation started", "Operation cancelled"])
      }))

    it.scoped("waits for nothing when no call has ended", () =>
      Effect.gen(function*() {
        const { asked } = yield* logged(({ power }) =>
          Effect.zipRight(Effect.forkDaemon(power.call("hang")), bench.settle)
        )
        assert.strictEqual(asked, 0)
      }))

    it.scoped("waits once for all readers", () =>
      Effect.gen(function*() {
        const { asked } = yield* logged(({ power }) =>
          Effect.all([power.logStream(), power.logStream(), power.call("on")])
        )
        const { asked: alone } = yield* logged(({ power }) => power.call("on"))
        assert.strictEqual(asked, alone)
      }))

    it.scoped("of the connection waits for them when somebody else reads the log", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const scope = yield* Scope.make()
        const { connection, power } = yield* Scope.extend(bench.make(), scope)
        const reading = yield* Effect.fork(
          Stream.runForEach(connection.logs, (event) => Effect.sync(() => seen.push(show(event))))
        )
        yield* bench.settle
        yield* power.call("on")
        yield* Scope.close(scope, Exit.void)
        yield* Fiber.join(reading)
        assert.deepStrictEqual(seen, whole)
      }))

    // The log of an exporter that counts as another process: each call adds a line, and `pause` milliseconds of real time pass
    // before the exporter sends it.
    const remote = (pause: number) =>
      Effect.gen(function*() {
        const channel = yield* GrpcChannel.fromHandlers(new Map())
        const { getStatus, target } = ExporterClient.make(channel)
        const ended = yield* Queue.unbounded<void>()
        const logs = yield* LogStream.make({
          getStatus,
          target,
          logStream: Stream.fromQueue(ended).pipe(
            Stream.tap(() => Effect.withClock(Effect.sleep(pause), Clock.make())),
            Stream.map(() => entry("late"))
          )
        }, { isRemote: true })
        const call = Effect.suspend(() => {
          logs.calls.begun++
          logs.calls.ended++
          return Queue.offer(ended, undefined)
        })
        return { call, ended, logs }
      })

    const forwarded = (logs: LogStream.LogStream, use: Effect.Effect<unknown>) =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const logger = Logger.make<unknown, void>(({ message }) => {
          seen.push(String(message))
        })
        yield* Effect.zipRight(logs.forward(), use).pipe(
          Effect.scoped,
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
        return seen
      })

    it.scoped("waits for lines that arrive after the answer", () =>
      Effect.gen(function*() {
        const { call, logs } = yield* remote(50)
        assert.deepStrictEqual(yield* forwarded(logs, call), ["late"])
      }))

    it.scoped("does not wait indefinitely for an exporter that logs without pause", () =>
      Effect.gen(function*() {
        const { call, ended, logs } = yield* remote(10)
        yield* Queue.offerAll(ended, Array.from({ length: 10_000 }, () => undefined))
        assert.include(yield* forwarded(logs, call), "late")
      }))
  })

  describe("forward", () => {
    it.scoped("says when it has given up, and lets others try again", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
          seen.push(`${logLevel.label} ${String(message)}`)
        })
        yield* Effect.gen(function*() {
          const exporter = yield* scripted
          yield* exporter.logs.forward()
          for (let attempt = 0; attempt < 10; attempt++) {
            yield* exporter.send(outage)
            yield* settle
            yield* TestClock.adjust("2 seconds")
          }
          yield* settle
          const next = yield* consume(exporter.logs)
          yield* exporter.send(entry("back"))
          yield* settle
          assert.deepStrictEqual(next.seen, ["back"])
        }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
        assert.deepStrictEqual(seen, [
          "WARN log lines may be missing (interrupted)",
          "WARN gave up subscribing to the log of bench after 10 attempts without a line"
        ])
      }))

    // Forwards with some options while lines are sent, and returns the lines that reached the logger.
    const forwarded = (options: LogStream.LogStreamOptions | undefined, ...lines: ReadonlyArray<LogEntry.LogEntry>) =>
      Effect.gen(function*() {
        const seen: Array<{ readonly line: string; readonly exporter: unknown }> = []
        const logger = Logger.make<unknown, void>(({ annotations, logLevel, message }) => {
          seen.push({
            line: `${logLevel.label} ${String(message)}`,
            exporter: Option.getOrUndefined(HashMap.get(annotations, "exporter"))
          })
        })
        const exporter = yield* scripted
        yield* Effect.scoped(Effect.gen(function*() {
          yield* exporter.logs.forward(options)
          yield* exporter.subscribed
          yield* exporter.send(...lines)
          yield* settle
        })).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
          Logger.withMinimumLogLevel(LogLevel.All)
        )
        assert.strictEqual(yield* exporter.open, 0)
        yield* exporter.send(entry("after the scope", "CRITICAL"))
        yield* settle
        return seen
      })

    it.scoped("reports how many lines the exporter has dropped, regardless of `sources`", () =>
      Effect.gen(function*() {
        const marker = new LogEntry.LogEntry({
          ...entry("7 log lines were dropped, the reader is too slow", "WARNING", "SYSTEM"),
          fields: { dropped: "7" }
        })
        assert.deepStrictEqual(
          (yield* forwarded({ sources: ["DRIVER"] }, marker)).map(({ line }) => line),
          ["WARN 7 log lines may be missing (slow reader)"]
        )
      }))

    it.scoped("annotates each line with its exporter, regardless of the line's fields", () =>
      Effect.gen(function*() {
        const line = new LogEntry.LogEntry({ ...entry("hello"), fields: { exporter: "another" } })
        assert.deepStrictEqual((yield* forwarded({}, line)).map(({ exporter }) => exporter), ["bench"])
      }))

    const lines = [
      entry("debug", "DEBUG", "DRIVER"),
      entry("info", "INFO", "SYSTEM"),
      entry("warning", "WARNING", "BEFORE_LEASE_HOOK"),
      entry("error", "ERROR", "DRIVER"),
      entry("critical", "CRITICAL", "UNSPECIFIED")
    ]

    it.scoped("writes every line into the logger, with the exporter's address, until the scope closes", () =>
      Effect.gen(function*() {
        const seen = yield* forwarded(undefined, ...lines)
        assert.deepStrictEqual(seen.map(({ line }) => line), [
          "DEBUG debug",
          "INFO info",
          "WARN warning",
          "ERROR error",
          "FATAL critical"
        ])
        assert.deepStrictEqual([...new Set(seen.map(({ exporter }) => exporter))], ["bench"])
      }))

    it.scoped("leaves out lines below a level", () =>
      Effect.gen(function*() {
        const seen = yield* forwarded({ minimumLogLevel: LogLevel.Warning }, ...lines)
        assert.deepStrictEqual(seen.map(({ line }) => line), ["WARN warning", "ERROR error", "FATAL critical"])
      }))

    it.scoped("leaves out other sources", () =>
      Effect.gen(function*() {
        const seen = yield* forwarded({ sources: ["DRIVER", "SYSTEM"] }, ...lines)
        assert.deepStrictEqual(seen.map(({ line }) => line), ["DEBUG debug", "INFO info", "ERROR error"])
      }))

    it.scoped("combines both", () =>
      Effect.gen(function*() {
        const seen = yield* forwarded({ minimumLogLevel: LogLevel.Info, sources: ["DRIVER"] }, ...lines)
        assert.deepStrictEqual(seen.map(({ line }) => line), ["ERROR error"])
      }))
  })
})
