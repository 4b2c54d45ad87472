// A real exporter does not wait for the clock of a test, and a test that has such a clock waits for it in vain.
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"

// The environment of `it.effect` has a `TestClock` and no logger, and then the line would be seen nowhere.
const visibly = (line: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.flatMap(
    FiberRef.get(FiberRef.currentLoggers),
    (loggers) =>
      HashSet.size(HashSet.remove(loggers, Logger.tracerLogger)) > 0
        ? line
        : Effect.provide(line, Logger.add(Logger.defaultLogger))
  )

// Warns when a connection is opened while the program's clock is one that has to be adjusted, as Effect's `TestClock`. The
// class itself is not looked at: it would be loaded by every program.
export const warn = (address: string): Effect.Effect<void> =>
  Effect.clockWith((clock) =>
    Predicate.hasProperty(clock, "adjust")
      ? visibly(Effect.logWarning(
        `the connection to ${address} is real, but this program runs on a TestClock: sleeps, time limits, retries and ` +
          "status polling end only when the clock is adjusted. Run the test with it.live or it.scopedLive"
      ))
      : Effect.void
  )
