// Numbers that arrive one after the other, as lines of a chart that are drawn again with each of them. An exporter chooses the names of
// the numbers, so both the names and their count are bounded.
import * as visible from "./visible.ts"

const blocks = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

/** The numbers of an item, by name: a number itself has none. */
export const numbersOf = (item: unknown): ReadonlyArray<readonly [name: string, value: number]> => {
  if (typeof item === "number") return [["", item]]
  if (typeof item !== "object" || item === null || Array.isArray(item)) return []
  return Object.entries(item).flatMap(([name, value]) => typeof value === "number" ? [[name, value] as const] : [])
}

const shown = (value: number): string => Number.isInteger(value) ? String(value) : value.toPrecision(4)

const bars = (values: ReadonlyArray<number>, low: number, high: number): string =>
  values.map((value) => {
    const height = high === low ? 0 : (value - low) / (high - low)
    return blocks[Math.round(height * (blocks.length - 1))]
  }).join("")

// More lines would not fit on a small terminal, where a chart cannot be drawn in place.
const mostSeries = 12

const longestName = 24

interface Series {
  readonly name: string
  values: ReadonlyArray<number>
  low: number
  high: number
}

export class Chart {
  readonly #series = new Map<string, Series>()
  #drawn = 0

  /** Takes the numbers of an item, and returns what draws the chart in place of the last one. The first names have a line each. */
  add(item: unknown, columns: number): string {
    for (const [key, value] of numbersOf(item)) {
      const name = visible.line(key).slice(0, longestName)
      const known = this.#series.get(name)
      if (known === undefined && this.#series.size === mostSeries) continue
      const series = known ?? { name, values: [], low: Math.min(0, value), high: value }
      series.values = [...series.values, value].slice(-columns)
      series.low = Math.min(series.low, value)
      series.high = Math.max(series.high, value)
      this.#series.set(name, series)
    }
    const all = [...this.#series.values()]
    const width = Math.max(...all.map(({ name }) => name.length))
    const lines = all.map(({ high, low, name, values }) => {
      const now = shown(values.at(-1) ?? 0)
      const head = `${name.padEnd(width)}${width === 0 ? "" : " "}${now.padStart(9)} `
      const tail = ` ${shown(low)} to ${shown(high)}`
      const room = Math.max(1, columns - head.length - tail.length - 1)
      return `${head}${bars(values.slice(-room), low, high)}${tail}`
    })
    const up = this.#drawn === 0 ? "" : `\x1b[${this.#drawn}A`
    this.#drawn = lines.length
    return up + lines.map((line) => `\r\x1b[2K${line}\n`).join("")
  }

  /** Leaves the chart as it is, because other lines follow. The next one is drawn below them. */
  leave(): void {
    this.#drawn = 0
  }
}
