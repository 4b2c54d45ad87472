// Fibers that wait for a change and then check their condition again.
import * as Effect from "effect/Effect"

export class Waiters {
  private waiting = new Set<() => void>()

  readonly wait: Effect.Effect<void> = Effect.async((resume) => {
    const wake = () => resume(Effect.void)
    this.waiting.add(wake)
    return Effect.sync(() => this.waiting.delete(wake))
  })

  wake(): void {
    if (this.waiting.size === 0) return
    const { waiting } = this
    this.waiting = new Set()
    waiting.forEach((wake) => wake())
  }
}
