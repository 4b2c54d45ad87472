// The order of a recording: data from the exporter arrives only after the program has made all steps that were recorded
// before that data.
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
  // The index of the first step that the program has not made.
  private position = 0
  private latest = 0
  private touched = 0
  private waiting = new Set<() => void>()

  // `steps` are the program's recorded steps, in order.
  constructor(private readonly steps: ReadonlyArray<Step>, private readonly patience: Duration.Duration) {}

  take({ at, index }: Place): void {
    this.done.add(index)
    this.latest = Math.max(this.latest, at)
    for (let step = this.steps[this.position]; step !== undefined && this.done.has(step.index);) {
      step = this.steps[++this.position]
    }
    this.touch()
  }

  // Marks the program as busy with a step.
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

  // Whether the program has made a step that was recorded after a place.
  isPast({ index }: Place): boolean {
    const step = this.steps[this.position - 1]
    return step !== undefined && step.index > index
  }

  // Waits until an event is due. Fails with the step before it when the program does not make that step within the
  // recorded time plus the patience, because the program has changed. Uses real time, because a test clock may not
  // advance.
  due(place: Place): Effect.Effect<void, Step> {
    return Effect.suspend(() => {
      const step = this.steps[this.position]
      if (step === undefined || step.index > place.index) return Effect.void
      return Effect.flatMap(
        this.progressesBefore(step),
        (progresses): Effect.Effect<void, Step> => progresses ? this.due(place) : Effect.fail(step)
      )
    })
  }

  // Waits until the program has made no progress for the recorded time to a place plus the patience.
  stalled(place: Place): Effect.Effect<void> {
    return Effect.flatMap(this.progressesBefore(place), (progresses) => progresses ? this.stalled(place) : Effect.void)
  }

  private progressesBefore({ at }: Place): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      // Sleeps in parts, so that a busy machine does not count as an idle program.
      const part = Duration.times(Duration.sum(this.patience, Math.max(0, at - this.latest)), 1 / parts)
      const wait = Effect.repeatN(Effect.sleep(part), parts - 1)
      return interruptible.raceFirst(
        Effect.as(this.progress(this.touched), true),
        Effect.withClock(Effect.as(wait, false), Clock.make())
      )
    })
  }

  // Waits until the program makes progress after `since`.
  private progress(since: number): Effect.Effect<void> {
    return Effect.async((resume) => {
      const wake = () => resume(Effect.void)
      if (this.touched !== since) return wake()
      this.waiting.add(wake)
      return Effect.sync(() => this.waiting.delete(wake))
    })
  }
}
