// `Effect.acquireRelease` and `Effect.addFinalizer` for what is opened often. Effect's own also restore, for the release, the FiberRefs of
// the acquisition. Comparing them takes most of the time of a small finalizer. These releases run with those of the fiber that closes the
// scope.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

const withScope = <A>(use: (scope: Scope.Scope) => Effect.Effect<A>): Effect.Effect<A, never, Scope.Scope> =>
  Effect.withFiberRuntime((fiber) => use(Context.unsafeGet(fiber.currentContext, Scope.Scope)))

export const acquireRelease = <A, E, R>(
  acquire: Effect.Effect<A, E, R>,
  release: (value: A, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<unknown>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.uninterruptible(
    Effect.flatMap(acquire, (value) =>
      Effect.as(
        withScope((scope) => Scope.addFinalizerExit(scope, (exit) => Effect.uninterruptible(release(value, exit)))),
        value
      ))
  )

export const addFinalizer = (release: Effect.Effect<unknown>): Effect.Effect<void, never, Scope.Scope> =>
  withScope((scope) => Scope.addFinalizer(scope, Effect.uninterruptible(release)))
