// A fiber that runs while it has users: the first user starts it, and the last one interrupts it. When the fiber ends by itself,
// `ended` is called in the same instant, and the next user starts a new fiber. `run` is called before the user continues; the
// effect it returns starts later.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

export const make = <E>(
  run: () => Effect.Effect<void, E>,
  ended: (exit: Exit.Exit<void, E>) => void
): Effect.Effect<Effect.Effect<void, never, Scope.Scope>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let users = 0
    let running: { fiber?: Fiber.RuntimeFiber<void, E> } | undefined

    const start = Effect.suspend(() => {
      const started: { fiber?: Fiber.RuntimeFiber<void, E> } = {}
      running = started
      return run().pipe(
        // A fiber that is forked while a resource is acquired would be as uninterruptible as the acquisition.
        Effect.interruptible,
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (running !== started) return
            running = undefined
            ended(Exit.isInterrupted(exit) ? Exit.void : exit)
          })
        ),
        // eslint-disable-next-line no-restricted-syntax -- the effect above can be interrupted
        Effect.forkIn(scope),
        Effect.map((fiber) => {
          started.fiber = fiber
        })
      )
    })

    return Effect.acquireRelease(
      Effect.suspend(() => {
        users++
        return running === undefined ? start : Effect.void
      }),
      () =>
        Effect.suspend(() => {
          users--
          if (users > 0 || running?.fiber === undefined) return Effect.void
          const { fiber } = running
          running = undefined
          return Fiber.interrupt(fiber)
        })
    )
  })
