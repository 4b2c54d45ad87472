// The order of a recording: nothing of the exporter's comes before the program has done what it had done before that when
// it was recorded.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as interruptible from "../../util/interruptible.ts"
import type { Place } from "./reader.ts"

interface Step extends Place {
  readonly what: string
}

const parts = 10

export class Timeline {
  private readonly done = new Set<number>()
  // The first step that the program has not taken.
  private position = 0
  private latest = 0
  private touched = 0
  private waiting = new Set<() => void>()

  // What the program did, in order.
  constructor(private readonly steps: ReadonlyArray<Step>, private readonly patience: Duration.Duration) {}

  take({ at, index }: Place): void {
    this.done.add(index)
    this.latest = Math.max(this.latest, at)
    for (let step = this.steps[this.position]; step !== undefined && this.done.has(step.index);) {
      step = this.steps[++this.position]
    }
    this.touch()
  }

  // Says that the program is busy with a step.
  touch(): void {
    this.touched++
    const waiting = this.waiting
    this.waiting = new Set()
    waiting.forEach((wake) => wake())
  }

  isDue({ index }: Place): boolean {
    const step = this.steps[this.position]
    return step === undefined || step.index > index
  }

  // Whether the program has gone on since.
  isPast({ index }: Place): boolean {
    const step = this.steps[this.position - 1]
    return step !== undefined && step.index > index
  }

  // Waits until it is an event's turn. A program that does not take the step before it in the time it had taken, and the
  // patience on top, has changed; that is real time, because a test's clock may stand still. Fails with the step.
  due(place: Place): Effect.Effect<void, Step> {
    return Effect.suspend(() => {
      const step = this.steps[this.position]
      if (step === undefined || step.index > place.index) return Effect.void
      return Effect.flatMap(
        this.goesOnBefore(step),
        (goesOn): Effect.Effect<void, Step> => goesOn ? this.due(place) : Effect.fail(step)
      )
    })
  }

  // Waits until the program has done nothing for the time it had taken to come to a place, and the patience on top.
  stalled(place: Place): Effect.Effect<void> {
    return Effect.flatMap(this.goesOnBefore(place), (goesOn) => goesOn ? this.stalled(place) : Effect.void)
  }

  private goesOnBefore({ at }: Place): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      // In parts, so that a machine that is busy with something else is not taken for a program that does nothing.
      const part = Duration.times(Duration.sum(this.patience, Math.max(0, at - this.latest)), 1 / parts)
      const wait = Effect.repeatN(Effect.sleep(part), parts - 1)
      return interruptible.raceFirst(
        Effect.as(this.progress(this.touched), true),
        Effect.withClock(Effect.as(wait, false), Clock.make())
      )
    })
  }

  // Waits until the program goes on, unless it has since.
  private progress(since: number): Effect.Effect<void> {
    return Effect.async((resume) => {
      const wake = () => resume(Effect.void)
      if (this.touched !== since) return wake()
      this.waiting.add(wake)
      return Effect.sync(() => this.waiting.delete(wake))
    })
  }
}
