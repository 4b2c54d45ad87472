// Time for simulations of hours with hundreds of fibers: when no fiber can go on, the clock jumps to the next one that sleeps. What runs
// in memory and takes its randomness from Effect happens in the same order each time.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

// The test runner has its own work to do.
const turn = 50

class Simulation implements Scheduler.Scheduler {
  private now = 0
  private awake = false
  private tasks = new Scheduler.PriorityBuckets()
  /** The next one comes last. */
  private readonly sleepers: Array<Sleeper> = []

  readonly clock: Clock.Clock = Object.assign(Clock.make(), {
    unsafeCurrentTimeMillis: () => this.now,
    unsafeCurrentTimeNanos: () => BigInt(Math.round(this.now * 1e6)),
    currentTimeMillis: Effect.sync(() => this.now),
    currentTimeNanos: Effect.sync(() => BigInt(Math.round(this.now * 1e6))),
    sleep: (duration: Duration.Duration) =>
      Effect.async<void>((resume) => {
        const sleeper = this.sleep(Duration.toMillis(duration), () => resume(Effect.void))
        return Effect.sync(() => this.cancel(sleeper))
      })
  })

  shouldYield = Scheduler.defaultScheduler.shouldYield

  scheduleTask(task: () => void, priority: number): void {
    this.tasks.scheduleTask(task, priority)
    this.work()
  }

  private sleep(millis: number, wake: () => void): Sleeper {
    const sleeper = { at: this.now + millis, wake }
    this.sleepers.splice(this.placeOf(sleeper.at), 0, sleeper)
    this.work()
    return sleeper
  }

  private cancel(sleeper: Sleeper): void {
    const index = this.sleepers.indexOf(sleeper, this.placeOf(sleeper.at))
    if (index >= 0) this.sleepers.splice(index, 1)
  }

  /** Before those that wake at the same time, which came earlier. */
  private placeOf(at: number): number {
    let low = 0
    let high = this.sleepers.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.sleepers[middle]?.at ?? 0) > at) low = middle + 1
      else high = middle
    }
    return low
  }

  private work(): void {
    if (this.awake) return
    this.awake = true
    setImmediate(this.steps)
  }

  private readonly steps = (): void => {
    const end = performance.now() + turn
    while (performance.now() < end) {
      const { buckets } = this.tasks
      if (buckets.length > 0) {
        this.tasks = new Scheduler.PriorityBuckets()
        for (const [, tasks] of buckets) for (const task of tasks) task()
        continue
      }
      const next = this.sleepers.pop()
      if (next === undefined) {
        this.awake = false
        return
      }
      this.now = Math.max(this.now, next.at)
      next.wake()
    }
    setImmediate(this.steps)
  }
}

/** Runs a program in simulated time, with random numbers from a seed. */
export const run = (seed: number) => <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const simulation = new Simulation()
    return program.pipe(
      Effect.withRandom(Random.make(seed)),
      Effect.withClock(simulation.clock),
      Effect.withScheduler(simulation),
      Effect.withTracerEnabled(false)
    )
  })
