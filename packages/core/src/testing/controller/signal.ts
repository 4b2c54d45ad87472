// A repeated event. A waiter that reads `next` before it looks at the state misses no change.
import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"

export class Signal {
  private current = Deferred.unsafeMake<void>(FiberId.none)

  /** Waits for the next `fire`. */
  get next(): Effect.Effect<void> {
    return Deferred.await(this.current)
  }

  /** Wakes all waiters. */
  fire(): void {
    const { current } = this
    this.current = Deferred.unsafeMake(FiberId.none)
    Deferred.unsafeDone(current, Exit.void)
  }
}
