// A query that many make at once, and that is sent as seldom as possible.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/**
 * One run of the query serves all who were waiting before it began. It runs in the fiber of one of them: when that fiber is
 * interrupted, the next one runs it again.
 */
export const make = <E, R>(query: Effect.Effect<void, E, R>): Effect.Effect<void, E, R> => {
  const turn = Effect.unsafeMakeSemaphore(1)
  let begun = 0
  let answered = 0

  const run = Effect.suspend(() => {
    const number = ++begun
    return Effect.onExit(query, (exit) =>
      Effect.sync(() => {
        if (!Exit.isInterrupted(exit)) answered = number
      }))
  })

  return Effect.suspend(() => {
    const before = begun
    return turn.withPermits(1)(Effect.suspend(() => answered > before ? Effect.void : run))
  })
}
