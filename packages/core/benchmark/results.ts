// What was measured, and questions to it.
import type { ClientName, HostName } from "./peers.ts"
import { summarize, type Summary } from "./statistics.ts"
import type { Measurement } from "./worker.ts"
import type { Work } from "./works/work.ts"

/** Who did a work. */
export interface Column {
  readonly host: HostName
  readonly client: ClientName
}

/** What one client measured of a work, round by round. */
export interface Series extends Column {
  readonly work: string
  readonly samples: ReadonlyArray<Measurement>
}

export class Results {
  constructor(
    readonly works: ReadonlyArray<Work>,
    readonly series: ReadonlyArray<Series>
  ) {}

  has(work: string, column: Column): boolean {
    return this.samples(work, column).length > 0
  }

  /** Something of each measurement, summarized. */
  summary(work: string, column: Column, value: (measurement: Measurement) => number): Summary | undefined {
    const samples = this.samples(work, column)
    return samples.length === 0 ? undefined : summarize(samples.map(value))
  }

  /** How many times as fast one was as the other, round by round, as both met the same weather in a round. */
  speed(work: string, one: Column, other: Column): Summary | undefined {
    return this.ratio(work, other, one, ({ seconds }) => seconds)
  }

  /** How many times the processor time of the other one took, round by round. */
  cost(work: string, one: Column, other: Column): Summary | undefined {
    return this.ratio(work, one, other, ({ cpu }) => cpu)
  }

  /** The seconds that a unit of the work took. */
  secondsPerUnit(work: string, column: Column): number | undefined {
    const amount = this.works.find(({ name }) => name === work)?.amount
    const seconds = this.summary(work, column, ({ seconds }) => seconds)?.median
    return amount === undefined || seconds === undefined ? undefined : seconds / amount
  }

  private ratio(
    work: string,
    one: Column,
    other: Column,
    value: (measurement: Measurement) => number
  ): Summary | undefined {
    const others = this.samples(work, other)
    const ratios = this.samples(work, one).flatMap((sample, round) => {
      const other = others[round]
      return other === undefined ? [] : [value(sample) / value(other)]
    })
    return ratios.length === 0 ? undefined : summarize(ratios)
  }

  private samples(work: string, { client, host }: Column): ReadonlyArray<Measurement> {
    return this.series.find((series) => series.work === work && series.host === host && series.client === client)
      ?.samples ?? []
  }
}
