// An exporter is killed and started again, and the connection has no `reconnect` schedule: it reconnects by itself. The
// tests of faults have the outcomes of other operations.
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import type * as DriverError from "../../src/protocol/DriverError.ts"
import type { LogEvent } from "../../src/protocol/LogEntry.ts"
import * as process from "../support/process.ts"
import * as temporary from "../support/temporary.ts"
import { until } from "./harness.ts"

// A second is promised; the rest is for a busy machine.
const bound = Duration.seconds(5)

/** A clock whose sleeps do not end while the gate is closed, so that no limit of attempts is reached meanwhile. */
const gated = (gate: Effect.Latch): Clock.Clock => {
  const clock = Clock.make()
  return Object.assign(Clock.make(), {
    sleep: (duration: Duration.Duration) => Effect.zipRight(clock.sleep(duration), gate.await)
  })
}

export const loss = (name: string, command: () => process.Command): void => {
  describe(`${name}, killed`, () => {
    it.scopedLive(
      "and started again: the client finds the drivers again, and the log continues with a gap",
      () =>
        Effect.gen(function*() {
          const path = yield* temporary.socketPath
          const first = yield* process.start(command(), ["--unix", path])
          const running = yield* Effect.makeLatch(true)
          const clock = gated(running)
          const connection = yield* Effect.withClock(ExporterConnection.fromEndpoint(Endpoint.unix(path)), clock)
          const probe = yield* connection.driver("probe")
          const seen: Array<LogEvent> = []
          yield* Effect.forkScoped(
            Stream.runForEach(connection.logs, (event) =>
              Effect.sync(() => {
                seen.push(event)
              })).pipe(Effect.withClock(clock))
          )
          const logged = (message: string) =>
            seen.some((event) => event._tag === "LogEntry" && event.message === message)
          yield* until("the log arrives", probe.call("log", "INFO", "before"), () => logged("before"))
          yield* running.close
          yield* first.kill

          yield* process.start(command(), ["--unix", path])
          yield* running.open
          const renewed = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path))
          const newProbe = yield* renewed.driver("probe")
          deepStrictEqual(yield* newProbe.call("echo", 1), [1])
          assertTrue(newProbe.uuid !== probe.uuid)

          // The old connection reconnects by itself. It requests the new report before it makes the call, which goes to the
          // driver at the same path.
          const failures: Array<DriverError.DriverCallError> = []
          const answer = yield* probe.call("echo", 2).pipe(
            Effect.tapError((error) => Effect.sync(() => failures.push(error))),
            Effect.retry({ while: ({ _tag }) => _tag === "ConnectionLost", schedule: Schedule.spaced("50 millis") }),
            Effect.timeout(bound)
          )
          deepStrictEqual([failures.filter(({ origin }) => origin !== "client"), answer], [[], [2]])
          yield* until("the log continues", newProbe.call("log", "INFO", "after"), () => logged("after"))
          const gap = Chunk.findFirst(Chunk.fromIterable(seen), (event) => event._tag === "LogGap")
          assertTrue(gap._tag === "Some" && gap.value._tag === "LogGap" && gap.value.reason === "interrupted")
        }),
      30_000
    )
  })
}
