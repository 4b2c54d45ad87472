// Limits how long calls wait for their requests. One timer serves all calls: a timer of its own, for which Node makes a list and drops it
// when no other call waits, would take a thirtieth of a call.
import { clearTimeout, setTimeout } from "node:timers"

/** The longest time of Node's timers, almost 25 days. Timers with a longer time fire at once. */
export const maxTimer = 2 ** 31 - 1

export class RequestLimit<Call> {
  // When each call began to wait. All have the same limit, so the first one is due first.
  private readonly waiting = new Map<Call, number>()
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly millis: number, private readonly onLate: (call: Call) => void) {}

  begin(call: Call): void {
    if (this.millis > maxTimer) return
    this.waiting.set(call, performance.now())
    if (this.timer === undefined) this.wake(this.millis)
  }

  end(call: Call): void {
    this.waiting.delete(call)
  }

  /** Forgets all calls. */
  close(): void {
    this.waiting.clear()
    clearTimeout(this.timer)
    this.timer = undefined
  }

  private wake(millis: number): void {
    // The sockets of waiting calls keep the process alive.
    this.timer = setTimeout(() => this.check(), millis).unref()
  }

  private check(): void {
    this.timer = undefined
    for (const [call, since] of this.waiting) {
      const left = since + this.millis - performance.now()
      // Timers count whole milliseconds, and may be one early.
      if (left >= 1) return this.wake(left)
      this.waiting.delete(call)
      this.onLate(call)
    }
  }
}
