// Observes the life of a handler.
import { Deferred, Effect, Ref } from "effect"

export interface Probe {
  /** Waits until the handler runs. */
  readonly started: Effect.Effect<void>
  /** Waits until the handler's finalizer has run. */
  readonly finalized: Effect.Effect<void>
  /** How often the finalizer has run so far. */
  readonly finalizations: Effect.Effect<number>
  /** Marks the start of an effect, and its end after a detour through other fibers. */
  readonly watch: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const make: Effect.Effect<Probe> = Effect.gen(function*() {
  const started = yield* Deferred.make<void>()
  const finalized = yield* Deferred.make<void>()
  const count = yield* Ref.make(0)
  // The finalizer yields many times, so that a test fails if the code does not wait for it.
  const finalize = Effect.yieldNow().pipe(
    Effect.repeatN(20),
    Effect.zipRight(Ref.update(count, (n) => n + 1)),
    Effect.zipRight(Deferred.succeed(finalized, undefined))
  )
  return {
    started: Deferred.await(started),
    finalized: Deferred.await(finalized),
    finalizations: Ref.get(count),
    watch: (effect) => Effect.ensuring(Effect.zipRight(Deferred.succeed(started, undefined), effect), finalize)
  }
})
