// The middle of some samples, and how far they are apart.

/** The median and the quartiles. */
export interface Summary {
  readonly median: number
  readonly lower: number
  readonly upper: number
}

// Between two samples it is interpolated.
const quantile = (sorted: ReadonlyArray<number>, fraction: number): number => {
  const position = (sorted.length - 1) * fraction
  const below = sorted[Math.floor(position)] ?? NaN
  const above = sorted[Math.ceil(position)] ?? NaN
  return below + (above - below) * (position - Math.floor(position))
}

export const summarize = (samples: ReadonlyArray<number>): Summary => {
  const sorted = samples.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), lower: quantile(sorted, 0.25), upper: quantile(sorted, 0.75) }
}

/** Half the distance of the quartiles, relative to the median. */
export const spread = ({ lower, median, upper }: Summary): number => (upper - lower) / 2 / median
