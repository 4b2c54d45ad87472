// Fibers that are suspended until something outside of Effect resumes them.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

type Resume<A, E> = (effect: Effect.Effect<A, E>) => void

// Suspends the fiber, like `Effect.async`. `register` may return what has to be done if the fiber is interrupted.
//
// The finalizers of `Effect.async` are made with object literals. V8 notes for each literal in the code how often its objects outlive
// a scavenge. After a while with many suspended fibers it puts all further ones among the old objects, for the rest of the process.
// They, and all that they refer to, stay there until the next collection of the whole heap. This has no literal.
export const until = <A, E = never>(
  register: (resume: Resume<A, E>) => Effect.Effect<void> | void
): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) => {
    let cancel: Effect.Effect<void> | void
    const suspended = Effect.async<A, E>((resume) => {
      cancel = register(resume)
    })
    return Effect.catchAllCause(restore(suspended), (cause) =>
      cancel !== undefined && Cause.isInterruptedOnly(cause)
        ? Effect.zipRight(cancel, Effect.failCause(cause))
        : Effect.failCause(cause))
  })
