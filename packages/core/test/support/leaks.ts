// Checks that a program leaks nothing in this process.
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Supervisor from "effect/Supervisor"
import { readdirSync } from "node:fs"

type Counts = Readonly<Record<string, number>>

// A socket that does not keep the process alive is not an active resource, but it has a descriptor.
const count = (): Counts => {
  const counts: Record<string, number> = {
    "open descriptors": readdirSync("/dev/fd").length,
    "listeners of the process": process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  }
  for (const resource of process.getActiveResourcesInfo()) counts[resource] = (counts[resource] ?? 0) + 1
  return counts
}

const more = (before: Counts, after: Counts): ReadonlyArray<string> =>
  Object.entries(after).flatMap(([name, count]) => {
    const difference = count - (before[name] ?? 0)
    return difference > 0 ? [`${name} +${difference}`] : []
  })

// Handles close, and the last timers of HTTP/2 end, a moment after their owner.
const moment = Schedule.intersect(Schedule.spaced("10 millis"), Schedule.recurs(500))

/** Runs a program, and waits until its fibers, handles and listeners are gone. Dies if some stay. */
export const leavingNothing = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const supervisor = yield* Supervisor.track
    const before = count()
    const result = yield* Effect.supervised(program, supervisor)
    const left = Effect.map(supervisor.value, (fibers) => [
      ...(fibers.length > 0 ? [`fibers +${fibers.length}`] : []),
      ...more(before, count())
    ])
    yield* Effect.repeat(left, { schedule: moment, until: (left) => left.length === 0 })
    const stays = yield* left
    return stays.length === 0 ? result : yield* Effect.dieMessage(`left behind: ${stays.join(", ")}`)
  })
