// Publishes the state of a lease.
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { LeaseState } from "./LeaseState.ts"

export interface Progress {
  /** The current state and its changes, until the lease has ended. */
  readonly changes: Stream.Stream<LeaseState>
  /** Sets the state, and returns whether that changed it. After the end nothing does. */
  readonly become: (next: LeaseState) => Effect.Effect<boolean>
}

export const make: Effect.Effect<Progress> = Effect.map(
  SubscriptionRef.make<LeaseState>(LeaseState.Requested()),
  (state) => {
    let now: LeaseState = LeaseState.Requested()
    return {
      changes: Stream.takeUntil(state.changes, LeaseState.$is("Ended")),
      become: (next) =>
        Effect.suspend(() => {
          if (now._tag === "Ended" || Equal.equals(now, next)) return Effect.succeed(false)
          now = next
          return Effect.as(SubscriptionRef.set(state, next), true)
        })
    }
  }
)
