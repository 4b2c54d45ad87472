// Real exporters and controllers do not run on a test's clock, so a test with such a clock waits for them in vain.
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"

// The environment of `it.effect` has a `TestClock` and no logger, so a log line would not be shown anywhere.
const visibly = (line: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.flatMap(
    FiberRef.get(FiberRef.currentLoggers),
    (loggers) =>
      HashSet.size(HashSet.remove(loggers, Logger.tracerLogger)) > 0
        ? line
        : Effect.provide(line, Logger.add(Logger.defaultLogger))
  )

// Logs a warning when a connection is opened while the program's clock has to be adjusted, like Effect's `TestClock`. The
// class itself is not imported, because every program would then load it.
export const warn = (address: string): Effect.Effect<void> =>
  Effect.clockWith((clock) =>
    Predicate.hasProperty(clock, "adjust")
      ? visibly(Effect.logWarning(
        `the connection to ${address} is real, but this program runs on a TestClock: sleeps, time limits, retries and ` +
          "status polling end only when the clock is adjusted. Run the test with it.live or it.scopedLive"
      ))
      : Effect.void
  )
