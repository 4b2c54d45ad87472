// Readings as lines over time.
import uPlot from "uplot"
import type { Chart } from "./model.ts"
import { mark } from "./units.ts"

const units: ReadonlyArray<readonly [RegExp, string]> = [
  [/volt/i, "V"],
  [/curr|amp/i, "A"],
  [/watt|power/i, "W"],
  [/temp/i, "°C"],
  [/humid|percent|duty/i, "%"],
  [/freq|hertz/i, "Hz"]
]

export const unitOf = (field: string): string => units.find(([pattern]) => pattern.test(field))?.[1] ?? ""

const labelOf = (field: string): string => {
  const unit = unitOf(field)
  return unit === "" ? field : `${field} (${unit})`
}

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

export const colorOf = (index: number): string => `--series-${index % 4 + 1}`

export interface Options {
  readonly height: number
  // The space of the axis at the left, so that the chart begins where the lanes do.
  readonly gutter: number
  readonly range: () => readonly [number, number]
  readonly marker: () => number
  readonly axis: boolean
}

// Two fields have an axis each; more than two share the left one.
const scaleOf = (chart: Chart, index: number): string => chart.fields.length === 2 ? `y${index}` : "y0"

const decimals = (value: number): string => {
  const size = Math.abs(value)
  return value.toFixed(size === 0 || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)
}

export const latest = (chart: Chart, index: number, moment: number): string => {
  let shown = "–"
  for (const [position, at] of chart.times.entries()) {
    if (at > moment) break
    const value = chart.values[index]?.[position]
    if (typeof value === "number") shown = decimals(value)
  }
  const unit = unitOf(chart.fields[index] ?? "")
  return `${shown}${unit === "" ? "" : ` ${unit}`}`
}

export const draw = (element: HTMLElement, chart: Chart, options: Options): uPlot => {
  const text = css("--muted")
  const grid = css("--line")
  const axis = (index: number): uPlot.Axis => ({
    scale: `y${index}`,
    side: index === 0 ? 3 : 1,
    size: index === 0 ? options.gutter : 44,
    stroke: chart.fields.length === 2 ? css(colorOf(index)) : text,
    grid: { show: index === 0, stroke: grid, width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    gap: 6,
    values: (_, splits) => splits.map((split) => decimals(split))
  })
  const fit: uPlot.Range.MinMax = [0, 1]
  const plot = new uPlot(
    {
      width: Math.max(element.clientWidth, 160),
      height: options.height,
      padding: [8, chart.fields.length === 2 ? 0 : 12, 4, 0],
      legend: { show: false },
      cursor: { show: false },
      select: { show: false, left: 0, top: 0, width: 0, height: 0 },
      scales: {
        x: { time: false, range: () => [...options.range()] as uPlot.Range.MinMax },
        ...Object.fromEntries(chart.fields.map((_, index) => [scaleOf(chart, index), {
          range: (_: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax =>
            low === null || high === null ? fit : [Math.min(0, low), high <= 0 ? 1 : high * 1.15]
        }]))
      },
      axes: [
        {
          show: options.axis,
          stroke: text,
          grid: { stroke: grid, width: 1 },
          ticks: { show: false },
          size: 24,
          font: "12px system-ui, sans-serif",
          values: (_, splits) => splits.map(mark)
        },
        axis(0),
        ...(chart.fields.length === 2 ? [axis(1)] : [])
      ],
      series: [
        {},
        ...chart.fields.map((field, index) => ({
          label: labelOf(field),
          scale: scaleOf(chart, index),
          stroke: css(colorOf(index)),
          width: 2,
          ...(index === 1 ? { dash: [6, 3] } : {}),
          spanGaps: true,
          points: { show: chart.times.length < 60, size: 5 }
        }))
      ],
      hooks: {
        draw: [(plot) => {
          const [from, to] = options.range()
          const marker = options.marker()
          if (marker < from || marker > to) return
          const { height, left, top, width } = plot.bbox
          const x = left + width * (marker - from) / (to - from)
          plot.ctx.save()
          plot.ctx.strokeStyle = css("--text")
          plot.ctx.lineWidth = devicePixelRatio
          plot.ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio])
          plot.ctx.beginPath()
          plot.ctx.moveTo(x, top)
          plot.ctx.lineTo(x, top + height)
          plot.ctx.stroke()
          plot.ctx.restore()
        }]
      }
    },
    [Array.from(chart.times), ...chart.values.map((values) => Array.from(values))],
    element
  )
  return plot
}

// What a reader who does not see the chart needs to know of it.
export const described = (chart: Chart): string =>
  `${chart.name}: ${
    chart.fields.map((field, index) => {
      const values = (chart.values[index] ?? []).filter((value) => value !== null)
      const unit = unitOf(field)
      const low = values.reduce((one, other) => Math.min(one, other), Infinity)
      const high = values.reduce((one, other) => Math.max(one, other), -Infinity)
      return `${field} from ${decimals(low)} to ${decimals(high)}${unit === "" ? "" : ` ${unit}`}`
    }).join(", ")
  }, ${chart.times.length} readings`
