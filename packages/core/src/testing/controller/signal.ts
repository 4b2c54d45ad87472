// Something that changes again and again. Who takes `next` before he looks misses no change.
import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"

export class Signal {
  private current = Deferred.unsafeMake<void>(FiberId.none)

  /** The change that comes next from now on. */
  get next(): Effect.Effect<void> {
    return Deferred.await(this.current)
  }

  fire(): void {
    const { current } = this
    this.current = Deferred.unsafeMake(FiberId.none)
    Deferred.unsafeDone(current, Exit.void)
  }
}
