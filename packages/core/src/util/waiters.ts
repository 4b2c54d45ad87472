// Fibers that wait until a condition holds. They check it again whenever something has changed.
import * as Effect from "effect/Effect"
import * as suspended from "./suspended.ts"

export class Waiters {
  private waiting = new Set<() => void>()

  // Waits for the next change, unless the condition holds. A fiber may give others a turn after it has looked, so the condition is
  // checked in the step that begins to wait.
  wait(holds: () => boolean): Effect.Effect<void> {
    return suspended.until((resume) => {
      if (holds()) return resume(Effect.void)
      const wake = () => resume(Effect.void)
      this.waiting.add(wake)
      return Effect.sync(() => this.waiting.delete(wake))
    })
  }

  wake(): void {
    if (this.waiting.size === 0) return
    const { waiting } = this
    this.waiting = new Set()
    waiting.forEach((wake) => wake())
  }
}
