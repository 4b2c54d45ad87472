// Whether each lease of a set can have an exporter of its own. Sets are small, so the shortest way to find out is taken.

/** The names of the exporters that each lease could have, by the lease's key. */
export type Candidates = ReadonlyMap<string, ReadonlySet<string>>

/** The leases that have fewer candidates among them than they are, in groups; none when each can have one of its own. */
export const shortages = (candidates: Candidates): ReadonlyArray<ReadonlyArray<string>> => {
  const owners = new Map<string, string>()
  const settled = (key: string, seen: Set<string>): boolean => {
    for (const exporter of candidates.get(key) ?? []) {
      if (seen.has(exporter)) continue
      seen.add(exporter)
      const rival = owners.get(exporter)
      if (rival === undefined || settled(rival, seen)) {
        owners.set(exporter, key)
        return true
      }
    }
    return false
  }
  const short: Array<ReadonlyArray<string>> = []
  for (const key of candidates.keys()) {
    const seen = new Set<string>()
    if (settled(key, seen)) continue
    const rivals = Array.from(seen, (exporter) => owners.get(exporter)).filter((rival) => rival !== undefined)
    short.push([...rivals, key])
  }
  return short
}

/** The candidates of the other leases when this one has that exporter. */
export const without = (candidates: Candidates, key: string, exporter: string): Candidates =>
  new Map(
    Array.from(candidates)
      .filter(([other]) => other !== key)
      .map(([other, names]) => [other, new Set(Array.from(names).filter((name) => name !== exporter))] as const)
  )

/**
 * The exporters that leave enough for the others. If they are fewer than the candidates, the controller must not choose by itself.
 */
export const harmless = (candidates: Candidates, key: string): ReadonlyArray<string> =>
  Array.from(candidates.get(key) ?? []).filter((exporter) => shortages(without(candidates, key, exporter)).length === 0)
