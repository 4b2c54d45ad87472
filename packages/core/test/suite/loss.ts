// What is under way when an exporter's process is killed: every operation fails as a lost connection, soon, and none
// succeeds or hangs (design: semantics 3 and 7).
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { DriverClient } from "../../src/DriverClient.ts"
import * as DriverError from "../../src/DriverError.ts"
import * as Endpoint from "../../src/Endpoint.ts"
import * as ExporterConnection from "../../src/ExporterConnection.ts"
import type { LogEvent } from "../../src/LogEntry.ts"
import * as Resource from "../../src/Resource.ts"
import { pattern, patternChunks } from "../support/probePattern.ts"
import * as process from "../support/process.ts"
import * as temporary from "../support/temporary.ts"
import { until } from "./harness.ts"
import type * as peer from "./peer.ts"

// A second is promised; the rest is for a machine that has other things to do.
const bound = Duration.seconds(5)

const chunk = pattern(0, 65_536)

/** Operations that go on until something ends them, and the event that tells that the exporter is in the middle. */
const operations: ReadonlyArray<{
  readonly name: string
  readonly begun: string
  readonly run: (probe: DriverClient) => Effect.Effect<unknown, unknown>
}> = [
  { name: "a call", begun: "hang:open", run: (probe) => probe.call("hang") },
  {
    name: "a streaming call",
    begun: "forever:open",
    run: (probe) => Stream.runDrain(probe.streamingCall("forever"))
  },
  {
    name: "a streaming call that is silent",
    begun: "silent:open",
    run: (probe) => Stream.runDrain(probe.streamingCall("silent"))
  },
  {
    name: "an idle byte stream",
    begun: "idle:open",
    run: (probe) => Effect.scoped(Effect.flatMap(probe.stream("idle"), ({ read }) => Stream.runDrain(read)))
  },
  {
    name: "a byte stream that is written to",
    begun: "sink:open",
    run: (probe) => Effect.scoped(Effect.flatMap(probe.stream("sink"), ({ write }) => Effect.forever(write(chunk))))
  },
  {
    name: "a byte stream that waits for its device",
    begun: "sink_stuck:open",
    run: (probe) =>
      Effect.scoped(Effect.flatMap(probe.stream("sink_stuck"), ({ write }) => Effect.forever(write(chunk))))
  },
  {
    name: "a byte stream that is read",
    begun: "source_endless:open",
    run: (probe) => Effect.scoped(Effect.flatMap(probe.stream("source_endless"), ({ read }) => Stream.runDrain(read)))
  },
  {
    name: "an upload",
    begun: "consume_slow:open",
    run: (probe) =>
      Effect.scoped(Effect.gen(function*() {
        const source = Resource.source(Stream.fromIterable(patternChunks(256 * 1024 * 1024)))
        return yield* probe.call("consume_slow", yield* probe.resource(source), 0.05)
      }))
  },
  {
    name: "an upload whose source has paused",
    begun: "consume:open",
    run: (probe) =>
      Effect.scoped(Effect.gen(function*() {
        const source = Resource.source(Stream.concat(Stream.make(chunk), Stream.never))
        return yield* probe.call("consume", yield* probe.resource(source))
      }))
  },
  {
    name: "a download",
    begun: "produce:open",
    run: (probe) =>
      Effect.scoped(Effect.gen(function*() {
        const slow = Resource.sink(Sink.forEach(() => Effect.sleep("20 millis")))
        return yield* probe.call("produce", yield* probe.resource(slow), 1024 * 1024 * 1024)
      }))
  }
]

const describeOutcome = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.match(exit, {
    onSuccess: () => "success",
    onFailure: (cause) =>
      cause._tag === "Fail" && DriverError.isDriverCallError(cause.error)
        ? { tag: cause.error._tag, origin: cause.error.origin, driver: cause.error.driver }
        : String(cause)
  })

const lost = { tag: "ConnectionLost", origin: "transport", driver: "probe" }

export const loss = (name: string, command: () => process.Command, quirks: peer.Quirks): void => {
  describe(`${name}, killed`, () => {
    it.scopedLive(
      "in the middle of everything: each operation fails as a lost connection, soon",
      () =>
        Effect.gen(function*() {
          const path = yield* temporary.socketPath
          const exporter = yield* process.start(command(), ["--unix", path])
          const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path))
          const probe = yield* connection.driver("probe")
          const running = yield* Effect.forEach(operations, (operation) =>
            Effect.map(
              Effect.fork(Effect.zip(Effect.exit(operation.run(probe)), Clock.currentTimeMillis)),
              (fiber) => ({ ...operation, fiber })
            ))
          yield* until(
            "all operations run",
            probe.call("events"),
            (events) => Array.isArray(events) && operations.every(({ begun }) => events.includes(begun))
          )

          const killed = yield* Clock.currentTimeMillis
          yield* exporter.kill
          const outcomes = yield* Effect.forEach(running, ({ fiber, name }) =>
            Effect.map(
              Effect.timeoutTo(Fiber.join(fiber), {
                duration: bound,
                onSuccess: ([exit, at]) => ({ outcome: describeOutcome(exit), soon: at - killed < 5_000 }),
                onTimeout: () => ({ outcome: "hangs", soon: false })
              }),
              (outcome) => [name, outcome] as const
            ))
          deepStrictEqual(
            Object.fromEntries(outcomes),
            Object.fromEntries(operations.map(({ name }) => [name, { outcome: lost, soon: true }]))
          )

          const [elapsed, after] = yield* Effect.timed(Effect.flip(probe.call("echo")))
          strictEqual(DriverError.isDriverCallError(after) && after._tag, "ConnectionLost")
          assertInclude(after.message, "call probe.echo lost its connection, outcome unknown")
          assertTrue(Duration.lessThan(elapsed, bound))
          const status = yield* Effect.flip(connection.status)
          deepStrictEqual([status._tag, status.origin, status.code], ["GrpcStatusError", "transport", "UNAVAILABLE"])
          assertInclude(status.message, path)
        }),
      30_000
    )

    it.scopedLive(
      "and started anew: its drivers are found again, the log goes on with a gap",
      () =>
        Effect.gen(function*() {
          const path = yield* temporary.socketPath
          const first = yield* process.start(command(), ["--unix", path])
          const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path))
          const probe = yield* connection.driver("probe")
          const seen: Array<LogEvent> = []
          yield* Effect.forkScoped(Stream.runForEach(connection.logs, (event) =>
            Effect.sync(() => {
              seen.push(event)
            })))
          const logged = (message: string) =>
            seen.some((event) => event._tag === "LogEntry" && event.message === message)
          yield* until("the log arrives", probe.call("log", "INFO", "before"), () => logged("before"))
          yield* first.kill

          yield* process.start(command(), ["--unix", path])
          const renewed = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path))
          const newProbe = yield* renewed.driver("probe")
          deepStrictEqual(yield* newProbe.call("echo", 1), [1])
          assertTrue(newProbe.uuid !== probe.uuid)

          // The old connection finds its way back to the socket by itself, a little later. A first call tells that the
          // exporter is another one; the next goes to the driver that is in this place now.
          const failures: Array<DriverError.DriverCallError> = []
          const answer = yield* probe.call("echo", 2).pipe(
            Effect.tapError((error) => Effect.sync(() => failures.push(error))),
            Effect.retry({ while: ({ _tag }) => _tag === "ConnectionLost", schedule: Schedule.spaced("50 millis") }),
            Effect.timeout(bound)
          )
          deepStrictEqual([failures.at(-1)?.code, answer], [quirks.unknownDriver.code, [2]])
          assertInclude(failures.at(-1)?.message, "the exporter restarted")
          yield* until("the log goes on", newProbe.call("log", "INFO", "after"), () => logged("after"))
          const gap = Chunk.findFirst(Chunk.fromIterable(seen), (event) => event._tag === "LogGap")
          assertTrue(gap._tag === "Some" && gap.value._tag === "LogGap" && gap.value.reason === "reconnected")
        }),
      30_000
    )
  })
}
