import uPlot from "uplot"
import type { DriverFacts } from "../src/benchPage/Messages.ts"
import { make, visible } from "./element.ts"
import type { Line } from "./line.ts"

const shownSeconds = 60

const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** A power supply: its switches, and what it measures, over a minute. */
export const card = ({ path }: DriverFacts, isWritable: boolean, line: Line) => {
  const reading = make("output", {}, "no reading yet")
  const button = (action: "on" | "off" | "cycle", label: string) => {
    const pressed = make("button", { type: "button", disabled: !isWritable }, label)
    pressed.onclick = () => line.send({ type: "power", path, action })
    return pressed
  }
  const holder = make("div", { className: "chart" })
  const element = make(
    "section",
    { className: "card" },
    make(
      "div",
      { className: "top" },
      make("h2", {}, `Power: ${visible(path)}`),
      reading,
      button("on", "On"),
      button("off", "Off"),
      button("cycle", "Cycle")
    ),
    holder
  )
  element.setAttribute("aria-label", `Power: ${path}`)

  const times: Array<number> = []
  const volts: Array<number> = []
  const amperes: Array<number> = []
  const chart = new uPlot(
    {
      width: 400,
      height: 220,
      scales: { x: { time: true } },
      series: [
        { value: "{HH}:{mm}:{ss}" },
        { label: "V", stroke: color("--brand"), width: 2, scale: "V" },
        { label: "A", stroke: color("--current"), width: 2, scale: "A" }
      ],
      axes: [
        { stroke: color("--quiet"), grid: { stroke: color("--line") } },
        { scale: "V", stroke: color("--quiet"), grid: { stroke: color("--line") }, label: "volt", labelSize: 18 },
        { scale: "A", side: 1, stroke: color("--quiet"), grid: { show: false }, label: "ampere", labelSize: 18 }
      ]
    },
    [times, volts, amperes],
    holder
  )
  new ResizeObserver(() => chart.setSize({ width: Math.max(200, holder.clientWidth), height: 220 })).observe(holder)

  let isDrawn = true
  const draw = () => {
    isDrawn = true
    chart.setData([times, volts, amperes])
  }
  const measured = (time: number, voltage: number, current: number) => {
    times.push(time / 1000)
    volts.push(voltage)
    amperes.push(current)
    while (times.length > 0 && (times[0] ?? 0) < time / 1000 - shownSeconds) {
      times.shift()
      volts.shift()
      amperes.shift()
    }
    reading.textContent = `${voltage.toFixed(2)} V, ${current.toFixed(2)} A`
    if (isDrawn) {
      isDrawn = false
      requestAnimationFrame(draw)
    }
  }
  return { element, measured }
}
