// Brackets around remote state, such as an open file of the exporter: one call acquires the state and another releases
// it. Both can be slow, fail, or be lost.
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as interruptible from "../util/interruptible.ts"

// Runs an effect during an interruption and waits for it, for at most `patience`. The limit is real time, not the
// program's clock, so that an interruption cannot hang on a test clock.
const bounded = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  patience: Duration.DurationInput
): Effect.Effect<void, never, R> =>
  Effect.gen(function*() {
    const fiber = yield* interruptible.forkDaemon(effect)
    const timer = yield* interruptible.forkDaemon(
      Effect.delay(Fiber.interrupt(fiber), patience).pipe(Effect.withClock(Clock.make()))
    )
    yield* Fiber.await(fiber)
    yield* Fiber.interruptFork(timer)
  })

// Releases what a forked acquisition acquires, after an interruption. Waits for both, for at most `patience`.
const giveUp = <A, E, E2, R>(
  acquiring: Fiber.RuntimeFiber<A, E>,
  release: (acquired: A) => Effect.Effect<unknown, E2, R>,
  patience: Duration.DurationInput
): Effect.Effect<void, never, R> =>
  Effect.zipRight(
    bounded(Effect.flatMap(Fiber.join(acquiring), release), patience),
    Fiber.interruptFork(acquiring)
  )

// Releases on success, failure and interruption of the use. When the release fails, the bracket fails, because the
// device stays in its acquired state; a failure of the use comes first in the cause. An interruption waits for the
// release. It first waits for an acquisition in progress, whose result names the state to release.
export const bracket = <A, E, R, B, E2, R2, E3, R3>(
  acquire: Effect.Effect<A, E, R>,
  use: (acquired: A) => Effect.Effect<B, E2, R2>,
  release: (acquired: A) => Effect.Effect<unknown, E3, R3>,
  patience: Duration.DurationInput = "10 seconds"
): Effect.Effect<B, E | E2 | E3, R | R2 | R3> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const acquiring = yield* interruptible.forkDaemon(acquire)
      return yield* restore(Effect.gen(function*() {
        const acquired = yield* Fiber.join(acquiring)
        const used = yield* Effect.exit(use(acquired))
        const released = yield* Effect.exit(release(acquired))
        return yield* Exit.zipLeft(used, released)
      })).pipe(Effect.onInterrupt(() => giveUp(acquiring, release, patience)))
    })
  )

// State of a driver that a scope holds. The scope cannot fail when it closes, so a release that fails is logged, with `what` as
// its subject. The scope waits for the release, for at most `patience`. An interruption waits for an acquisition in progress as
// `bracket` does.
export const held = <A, E, R, E2>(
  what: string,
  acquire: Effect.Effect<A, E, R>,
  release: (acquired: A) => Effect.Effect<unknown, E2>,
  patience: Duration.DurationInput = "10 seconds"
): Effect.Effect<A, E, R | Scope.Scope> => {
  const released = (acquired: A) =>
    Effect.catchAll(release(acquired), (error) => Effect.logWarning(`${what} could not be released`, error))
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const acquiring = yield* interruptible.forkDaemon(acquire)
      const acquired = yield* restore(Fiber.join(acquiring)).pipe(
        Effect.onInterrupt(() => giveUp(acquiring, released, patience))
      )
      yield* Effect.addFinalizer(() => bounded(released(acquired), patience))
      return acquired
    })
  )
}
