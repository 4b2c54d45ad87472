// Runs at most `concurrency` operations at once, first in, first out, with a bounded queue. Effect's semaphore is neither
// fair nor bounded.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"

export interface CallQueue {
  // Whether nobody waits, because there is no limit.
  readonly isOpen: boolean
  // Waits for a turn, which lasts as long as the scope.
  readonly enter: Effect.Effect<void, GrpcStatus.GrpcStatusError, Scope.Scope>
  // Waits for a turn to run something.
  readonly pass: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | GrpcStatus.GrpcStatusError, R>
}

const open: CallQueue = { isOpen: true, enter: Effect.void, pass: (effect) => effect }

export const make = (concurrency: number | "unbounded", maxWaiting: number): CallQueue => {
  if (concurrency === "unbounded") return open
  let free = concurrency
  const line = new Set<Effect.Latch>()

  const take = Effect.suspend(() => {
    if (free === 0 && line.size >= maxWaiting) {
      return GrpcStatus.make(
        "RESOURCE_EXHAUSTED",
        `${maxWaiting} calls already wait for this driver (limits.waitingCalls)`
      )
    }
    const turn = Effect.unsafeMakeLatch(free > 0)
    if (free > 0) free--
    else line.add(turn)
    return Effect.succeed(turn)
  })

  // An operation that gives up waiting leaves the queue; one that had a turn passes the turn on.
  const giveBack = (turn: Effect.Latch) =>
    Effect.sync(() => {
      if (line.delete(turn)) return
      const [next] = line
      if (next === undefined) {
        free++
      } else {
        line.delete(next)
        next.unsafeOpen()
      }
    })

  return {
    isOpen: false,
    enter: Effect.flatMap(Effect.acquireRelease(take, giveBack), (turn) => turn.await),
    pass: (effect) => Effect.acquireUseRelease(take, (turn) => Effect.zipRight(turn.await, effect), giveBack)
  }
}
