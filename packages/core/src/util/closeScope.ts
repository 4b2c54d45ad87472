// Closes a scope in the middle of a fiber.
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as interruptible from "./interruptible.ts"

/**
 * Closes a scope and waits for it, in a fiber of its own. Effect forgets an interruption that comes while a fiber closes a scope in an
 * uninterruptible region, as `Effect.scoped` and `Effect.onExit` do, unless it comes during the first finalizer. The fiber then continues,
 * although another one waits for its end.
 *
 * Effect also keeps the context of each fiber that added a finalizer in the fiber that runs it. A program that acquires and closes in a
 * loop would keep everything that these contexts refer to.
 */
export const closeScope = (scope: Scope.CloseableScope, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.uninterruptible(Effect.flatMap(interruptible.forkDaemon(Scope.close(scope, exit)), Fiber.join))
