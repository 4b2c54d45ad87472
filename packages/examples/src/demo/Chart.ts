/** A chart of one measurement over time, made of block characters. */
const blocks = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

export interface Axes {
  readonly unit: string
  /** The upper end of the value axis. */
  readonly max: number
  readonly height: number
  /** The number of samples on the time axis, and the time between them. */
  readonly width: number
  readonly intervalMillis: number
}

const labelWidth = 9

/** Returns the lines of the chart: the values, oldest first, above a time axis. */
export const render = (values: ReadonlyArray<number>, axes: Axes): ReadonlyArray<string> => {
  const rows = Array.from({ length: axes.height }, (_, index) => {
    const row = axes.height - 1 - index
    const bars = values.map((value) => {
      const eighths = Math.round(value / axes.max * axes.height * 8) - row * 8
      return blocks[Math.max(0, Math.min(8, eighths))]!
    }).join("")
    const label = index === 0 ? `${axes.max.toFixed(1)} ${axes.unit}` : row === 0 ? `0.0 ${axes.unit}` : ""
    return `${label.padStart(labelWidth)} ${label === "" ? "│" : "┤"}${bars}`.trimEnd()
  })
  const seconds = (axes.width * axes.intervalMillis / 1_000).toFixed(1)
  return [
    ...rows,
    `${" ".repeat(labelWidth + 1)}└${"─".repeat(axes.width)}`,
    `${" ".repeat(labelWidth + 2)}0${`${seconds} s`.padStart(axes.width - 1)}`
  ]
}
