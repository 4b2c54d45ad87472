// What happened at the chosen moment: the call and its error, the console, and the readings, beside each other.
import type { Outcome } from "../src/testing/record/format.ts"
import * as chart from "./chart.ts"
import { type Child, h, replace, visible } from "./dom.ts"
import type { Call, Chart, Console, ConsoleLine } from "./model.ts"
import type { State } from "./state.ts"
import { describe } from "./timeline.ts"
import { moment, seconds, size } from "./units.ts"

const shownValue = (value: unknown): Child =>
  h("pre", { tabindex: "0" }, visible(typeof value === "string" ? value : JSON.stringify(value, null, 1) ?? "null"))

const facts = (rows: ReadonlyArray<readonly [string, Child] | undefined>): HTMLElement =>
  h(
    "dl",
    {},
    rows.map((row) => row === undefined ? undefined : [h("dt", {}, row[0]), h("dd", {}, row[1])])
  )

const signature = ({ begin, kind, name }: Call): Child =>
  kind === "call" || kind === "streamingCall"
    ? visible(`${name}(${(begin.args ?? []).map((arg) => JSON.stringify(arg)).join(", ")})`)
    : visible(name)

const moved = ({ pieces, progress }: Call): string | undefined => {
  const last = progress.at(-1)
  if (last !== undefined) {
    const bytes = Math.max(last.sent, last.received)
    return last.total === undefined
      ? size(bytes)
      : `${size(bytes)} of ${size(last.total)} (${Math.floor(bytes / Math.max(last.total, 1) * 100)} %)`
  }
  if (pieces.length === 0) return undefined
  const count = (from: "device" | "program") =>
    pieces.reduce((sum, piece) => piece.from === from ? sum + piece.bytes.length : sum, 0)
  return `${size(count("program"))} sent, ${size(count("device"))} received`
}

const title = ({ kind, outcome }: Call, isFailing: boolean, run: Outcome): string => {
  if (isFailing && outcome !== "failed") {
    return run === "unfinished" ? "Under way when the process ended" : "Under way when the run failed"
  }
  const noun = kind === "step" ? "step" : kind === "lease" ? "lease" : kind === "resource" ? "transfer" : "call"
  return isFailing ? `Failing ${noun}` : `${noun.slice(0, 1).toUpperCase()}${noun.slice(1)}`
}

const outcomeBadge = (outcome: Call["outcome"]): HTMLElement =>
  h("span", { class: `badge ${outcome}` }, outcome === "open" ? "still open" : outcome)

const ofCall = (state: State, call: Call): Child => {
  const bytes = moved(call)
  const isFailing = call === state.model.failing
  return [
    h("h3", {}, title(call, isFailing, state.model.header.outcome), " ", outcomeBadge(call.outcome)),
    h("p", { class: "signature" }, signature(call)),
    call.failure === undefined ? undefined : h(
      "div",
      { class: "failure" },
      call.failure.tag === undefined ? undefined : h("strong", {}, call.failure.tag),
      h("pre", { tabindex: "0" }, visible(call.failure.message))
    ),
    facts([
      ["at", `${moment(call.at)}${call.begin.earlier === true ? " (it began before)" : ""}`],
      ["took", call.end === undefined ? "it had not ended" : seconds(call.end - call.at)],
      call.begin.exporter === undefined ? undefined : ["exporter", call.begin.exporter],
      bytes === undefined ? undefined : ["bytes", bytes],
      call.items.length === 0 ? undefined : ["results", `${call.items.length}`],
      call.result === undefined || call.result === null ? undefined : ["result", shownValue(call.result)],
      call.items.length === 0 ? undefined : ["last result", shownValue(call.items.at(-1)?.value)]
    ])
  ]
}

const latestCall = ({ model, moment: at }: State): Call | undefined =>
  model.calls.filter((call) => call.at <= at && (call.end === undefined || call.end >= at) && call.kind !== "step").at(
    -1
  )

const chosen = (state: State): Child => {
  const { selected } = state
  switch (selected.type) {
    case "call":
      return ofCall(state, selected.call)
    case "line":
      return [
        h(
          "h3",
          {},
          selected.line.source === "exporter" ? "Exporter's log" : "Program's log",
          " ",
          h("span", { class: `badge ${selected.line.level}` }, selected.line.level)
        ),
        h("pre", { tabindex: "0" }, visible(selected.line.text)),
        facts([
          ["at", moment(selected.line.at)],
          ["from", visible(selected.line.origin)],
          ...selected.line.details.map(([name, value]) => [name, shownValue(value)] as const)
        ])
      ]
    case "connection":
      return [
        h(
          "h3",
          {},
          "Connection ",
          h("span", { class: `badge ${selected.connection.state.toLowerCase()}` }, selected.connection.state)
        ),
        facts([
          ["at", moment(selected.connection.at)],
          ["exporter", selected.connection.exporter],
          selected.connection.reason === undefined ? undefined : ["reason", visible(selected.connection.reason)],
          selected.connection.attempt === undefined ? undefined : ["attempt", `${selected.connection.attempt}`]
        ])
      ]
    case "moment": {
      const call = latestCall(state)
      return [
        h("h3", {}, "At ", moment(state.moment)),
        call === undefined ? h("p", { class: "muted" }, "No call was under way.") : [
          h("p", { class: "muted" }, "Under way: ", describe(call)),
          h("p", { class: "signature" }, signature(call))
        ]
      ]
    }
  }
}

// The last lines before the moment.
const tail = ({ lines }: Console, at: number): ReadonlyArray<ConsoleLine> => {
  const until = lines.findIndex((line) => line.at > at)
  const end = until < 0 ? lines.length : until
  return lines.slice(Math.max(0, end - 12), end)
}

export const consoleLines = (lines: ReadonlyArray<ConsoleLine>): ReadonlyArray<Child> =>
  lines.map(({ at, from, text }) =>
    h(
      "div",
      { class: `line ${from}` },
      h("time", {}, moment(at)),
      h(
        "span",
        { class: "side", title: from === "device" ? "the device" : "the program" },
        from === "device" ? "" : "›"
      ),
      h("span", { class: "text" }, visible(text))
    )
  )

const consoles = ({ model, moment: at }: State): Child =>
  model.consoles.map((console) => {
    const lines = tail(console, at)
    return [
      h("h3", {}, "Console ", h("span", { class: "muted" }, console.name)),
      h(
        "div",
        { class: "console", role: "region", "aria-label": `last lines of ${console.name}`, tabindex: "0" },
        lines.length === 0 ? h("p", { class: "muted" }, "It had said nothing yet.") : consoleLines(lines)
      )
    ]
  })

const legend = (one: Chart, at: number): HTMLElement =>
  h(
    "p",
    { class: "legend" },
    one.fields.map((field, index) =>
      h(
        "span",
        {},
        h("i", { style: `background:var(${chart.colorOf(index)})` }),
        `${field} `,
        h("b", {}, chart.latest(one, index, at))
      )
    )
  )

export const details = (state: State): HTMLElement => {
  const call = h("div", { class: "card pane", "aria-live": "polite" })
  const console = h("div", { class: "card pane" })
  const readings = h("div", { class: "card pane" })
  const { charts, end } = state.model
  console.hidden = state.model.consoles.length === 0
  readings.hidden = charts.length === 0

  const drawCharts = (): void => {
    const plots = charts.map((one) => {
      const plot = h("div", { class: "plot", role: "img", "aria-label": chart.described(one) })
      return { one, plot }
    })
    replace(
      readings,
      plots.map(({ one, plot }) => [
        h("h3", {}, "Readings ", h("span", { class: "muted" }, one.name)),
        legend(one, state.moment),
        plot
      ])
    )
    for (const { one, plot } of plots) {
      chart.draw(plot, one, {
        height: 260,
        gutter: 44,
        range: () => [0, end * 1.02],
        marker: () => state.moment,
        axis: true
      })
    }
  }
  const scroll = (): void => {
    for (const one of console.querySelectorAll(".console")) one.scrollTop = one.scrollHeight
  }
  const render = (): void => {
    replace(call, chosen(state))
    replace(console, consoles(state))
    scroll()
    if (charts.length > 0) drawCharts()
  }
  state.onChoice(render)
  render()
  new ResizeObserver(scroll).observe(console)
  if (charts.length > 0) new ResizeObserver(drawCharts).observe(readings)
  return h("section", { class: "details", "aria-label": "The chosen moment" }, call, console, readings)
}
