// A run: every work by every client of every exporter, round after round.
import { Effect } from "effect"
import type { Peers, Subject } from "./peers.ts"
import { Results, type Series } from "./results.ts"
import { type Measurement, WorkFailed } from "./worker.ts"
import { isDoneAt, type Work } from "./works/work.ts"

// Nobody shall always come after the same one, nor always first.
const order = <A>(subjects: ReadonlyArray<A>, round: number): ReadonlyArray<A> => {
  const start = round % subjects.length
  const rotated = [...subjects.slice(start), ...subjects.slice(0, start)]
  return round % 2 === 0 ? rotated : rotated.reverse()
}

/** How many rounds are kept, after how many that only warm up. */
export interface Rounds {
  readonly warmUp: number
  readonly kept: number
}

const measure = (
  work: Work,
  peers: Peers,
  everybody: ReadonlyArray<Subject>,
  rounds: Rounds
): Effect.Effect<ReadonlyArray<Series>, WorkFailed> =>
  Effect.scoped(Effect.gen(function*() {
    const subjects = everybody.filter(({ client, host }) => work.clients.includes(client) && isDoneAt(work, host))
    const samples = new Map<Subject, Array<Measurement>>(subjects.map((subject) => [subject, []]))
    const run = yield* work.prepare(peers)
    for (let round = 0; round < rounds.warmUp + rounds.kept; round++) {
      for (const subject of order(subjects, round)) {
        const measurement = yield* run(subject)
        if (round >= rounds.warmUp) samples.get(subject)?.push(measurement)
      }
    }
    return Array.from(samples, ([{ client, host }, samples]) => ({ work: work.name, client, host, samples }))
  }))

/** Does some works, and says on standard error how it gets on. */
export const all = (
  works: ReadonlyArray<Work>,
  peers: Peers,
  everybody: ReadonlyArray<Subject>,
  rounds: Rounds
): Effect.Effect<Results, WorkFailed> =>
  Effect.map(
    Effect.forEach(works, (work, index) =>
      Effect.zipRight(
        Effect.sync(() => process.stderr.write(`${index + 1}/${works.length} ${work.title}\n`)),
        Effect.mapError(
          measure(work, peers, everybody, rounds),
          (error) => new WorkFailed({ worker: `${work.name}: ${error.worker}`, details: error.details })
        )
      )),
    (series) => new Results(works, series.flat())
  )
