// Real exporters and controllers do not run on a test's clock, so a test with such a clock waits for them in vain.
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { visibly } from "./visibleLog.ts"

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
