// Everything on one time axis, in lanes.
import * as chart from "./chart.ts"
import { type Child, h, replace, svg } from "./dom.ts"
import type { Call, Console, LogLine } from "./model.ts"
import type { Selected, State } from "./state.ts"
import { mark, moment, seconds } from "./units.ts"

interface Item {
  readonly at: number
  readonly end: number
  readonly className: string
  readonly label: string
  readonly text: string
  readonly selected: Selected
  readonly moment: number
  readonly row: number
  // The share of a transfer that was moved.
  readonly share?: number | undefined
}

interface Lane {
  readonly name: string
  readonly items: ReadonlyArray<Item>
  readonly rows: number
}

const maxRows = 4

const outcomes: Record<Call["outcome"], string> = {
  done: "done",
  failed: "failed",
  interrupted: "interrupted",
  open: "still open at the end"
}

const kinds: Record<Call["kind"], string> = {
  call: "call",
  streamingCall: "streaming call",
  stream: "stream",
  resource: "transfer",
  lease: "lease",
  step: "step"
}

export const describe = (call: Call): string => `${kinds[call.kind]} ${call.name}, ${outcomes[call.outcome]}`

const shareOf = ({ outcome, progress }: Call): number | undefined => {
  const last = progress.at(-1)
  if (last === undefined) return undefined
  if (last.total === undefined || last.total === 0) return outcome === "done" ? 1 : undefined
  return Math.min(1, Math.max(last.sent, last.received) / last.total)
}

const callItem = (call: Call, end: number, row: number): Item => ({
  at: call.at,
  end: call.end ?? end,
  className: `bar ${call.kind} ${call.outcome}`,
  label: `${describe(call)}, at ${moment(call.at)}, ${seconds((call.end ?? end) - call.at)}`,
  text: call.kind === "resource"
    ? kinds.resource
    : call.kind === "step" || call.kind === "lease"
    ? call.name
    : call.begin.method ?? call.name,
  selected: { type: "call", call },
  moment: call.outcome === "failed" ? call.end ?? call.at : call.at,
  row,
  share: call.kind === "resource" ? shareOf(call) : undefined
})

// Calls that overlap are below each other.
const callLane = (name: string, calls: ReadonlyArray<Call>, end: number): Lane => {
  const ends: Array<number> = []
  const items = calls.map((call) => {
    const free = ends.findIndex((until) => until <= call.at)
    const row = free >= 0 ? free : ends.length < maxRows ? ends.length : maxRows - 1
    ends[row] = Math.max(ends[row] ?? 0, call.end ?? end)
    return callItem(call, end, row)
  })
  return { name, items, rows: Math.max(1, ends.length) }
}

const logItem = (line: LogLine): Item => ({
  at: line.at,
  end: line.at,
  className: `tick ${line.level}`,
  label: `${line.level} at ${moment(line.at)}: ${line.text.slice(0, 200)}`,
  text: "",
  selected: { type: "line", line },
  moment: line.at,
  row: 0
})

const connectionLane = ({ model }: State): Lane => ({
  name: "connection",
  rows: 1,
  items: model.connections.filter(({ state }) => state !== "Closed").map((connection) => {
    const next = model.connections.find((other) => other.exporter === connection.exporter && other.at > connection.at)
    return {
      at: connection.at,
      end: next?.at ?? model.end,
      className: `bar link ${connection.state.toLowerCase()}`,
      label: `connection to ${connection.exporter}: ${connection.state} at ${moment(connection.at)}`,
      text: connection.state === "Ready" ? connection.exporter : connection.state,
      selected: { type: "connection", connection },
      moment: connection.at,
      row: 0
    }
  })
})

const lanesOf = (state: State): ReadonlyArray<Lane> => {
  const { model } = state
  const groups = new Map<string, Array<Call>>()
  for (const call of [...model.calls].sort((one, other) => one.at - other.at)) {
    const group = groups.get(call.lane) ?? []
    groups.set(call.lane, group)
    group.push(call)
  }
  const special = ["lease", "steps"]
  const lane = (name: string) => callLane(name, groups.get(name) ?? [], model.end)
  return [
    connectionLane(state),
    ...special.map(lane),
    ...Array.from(groups.keys()).filter((name) => !special.includes(name)).sort().map(lane)
  ].filter(({ items }) => items.length > 0)
}

const logLanes = ({ model }: State): ReadonlyArray<Lane> =>
  [
    { name: "exporter log", rows: 1, items: model.log.filter(({ source }) => source === "exporter").map(logItem) },
    { name: "program log", rows: 1, items: model.log.filter(({ source }) => source === "program").map(logItem) }
  ].filter(({ items }) => items.length > 0)

// How often a console said something, as thin lines.
const activity = ({ pieces }: Console, { from, to }: State, width: number): SVGElement => {
  const seen = { device: new Set<number>(), program: new Set<number>() }
  for (const { at, from: side } of pieces) {
    const x = Math.round((at - from) / (to - from) * width)
    if (x >= 0 && x <= width) seen[side].add(x)
  }
  const path = (xs: Set<number>, top: number) => Array.from(xs, (x) => `M${x}.5 ${top}v9`).join("")
  return svg(
    "svg",
    { width, height: 24, "aria-hidden": "true" },
    svg("path", { d: path(seen.device, 13), class: "from-device" }),
    svg("path", { d: path(seen.program, 2), class: "from-program" })
  )
}

// Items that would be on top of each other become one, of a few pixels, so that a failure among many calls has its place.
interface Cluster {
  readonly item: Item
  readonly count: number
  readonly at: number
  readonly end: number
}

const clusterWidth = 8

const isBad = ({ className }: Item): boolean => /failed|error|lost/.test(className)

const clustered = (items: ReadonlyArray<Item>, { from, to }: State, width: number): ReadonlyArray<Cluster> => {
  const clusters: Array<Cluster> = []
  // The latest cluster of each row.
  const latest = new Map<number, number>()
  const scale = width / (to - from)
  for (const item of items) {
    if (item.end < from || item.at > to) continue
    const index = latest.get(item.row)
    const before = index === undefined ? undefined : clusters[index]
    if (index !== undefined && before !== undefined && (item.end - before.at) * scale < clusterWidth) {
      const worse = isBad(item) && !isBad(before.item) ? item : before.item
      clusters[index] = { ...before, item: worse, count: before.count + 1, end: Math.max(before.end, item.end) }
      continue
    }
    latest.set(item.row, clusters.length)
    clusters.push({ item, count: 1, at: item.at, end: item.end })
  }
  return clusters
}

const button = ({ at, count, end, item }: Cluster, state: State, pixels: number): HTMLButtonElement => {
  const width = state.to - state.from
  const left = Math.max(0, (at - state.from) / width)
  const right = Math.min(1, (end - state.from) / width)
  const { selected } = state
  const isSelected = selected.type === item.selected.type && (
    selected.type === "call" && item.selected.type === "call" && selected.call === item.selected.call ||
    selected.type === "line" && item.selected.type === "line" && selected.line === item.selected.line ||
    selected.type === "connection" && item.selected.type === "connection" &&
      selected.connection === item.selected.connection
  )
  return h(
    "button",
    {
      type: "button",
      class: `${item.className}${isSelected ? " selected" : ""}`,
      style: `left:${left * 100}%;width:max(4px,${(right - left) * 100}%);top:${4 + item.row * 22}px` +
        (item.share === undefined ? "" : `;--share:${item.share * 100}%`),
      title: item.label,
      tabindex: "-1",
      "aria-label": count === 1 ? item.label : `${item.label}, and ${count - 1} more`,
      "aria-pressed": isSelected ? "true" : "false",
      click: (event) => {
        event.stopPropagation()
        state.choose(item.selected, item.moment)
      }
    },
    count === 1 && (right - left) * pixels > 30 ? item.text : ""
  )
}

// One stop for the tab key in each lane; the arrow keys go from item to item.
const rove = (event: Event): void => {
  if (!(event instanceof KeyboardEvent) || !(event.currentTarget instanceof HTMLElement)) return
  const buttons = Array.from(event.currentTarget.querySelectorAll("button"))
  const index = buttons.findIndex((button) => button === document.activeElement)
  const next = event.key === "ArrowRight"
    ? buttons[index + 1]
    : event.key === "ArrowLeft"
    ? buttons[index - 1]
    : event.key === "Home"
    ? buttons[0]
    : event.key === "End"
    ? buttons.at(-1)
    : undefined
  if (next === undefined) return
  event.preventDefault()
  for (const button of buttons) button.tabIndex = button === next ? 0 : -1
  next.focus()
}

const steps = [1, 2, 5]

// From half a minute, in milliseconds.
const longSteps = [30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800].map((seconds) => seconds * 1_000)

// Round numbers, at least 90 pixels apart.
const marks = ({ from, to }: State, width: number): ReadonlyArray<number> => {
  const least = (to - from) * 90 / Math.max(width, 90)
  const power = 10 ** Math.floor(Math.log10(least))
  const step = least > 20_000
    ? longSteps.find((step) => step >= least) ?? 86_400_000
    : (steps.find((factor) => factor * power >= least) ?? 10) * power
  const first = Math.ceil(from / step) * step
  return Array.from({ length: Math.floor((to - first) / step) + 1 }, (_, index) => first + index * step)
}

const gutter = (): number => matchMedia("(max-width: 720px)").matches ? 44 : 156

export const timeline = (state: State): HTMLElement => {
  const body = h("div", { class: "lanes" })
  const cursor = h("div", { class: "cursor", "aria-hidden": "true" })
  const { charts, consoles, end } = state.model

  const pointed = (event: Event): void => {
    if (!(event instanceof MouseEvent) || !(event.currentTarget instanceof HTMLElement)) return
    const { left, width } = event.currentTarget.getBoundingClientRect()
    const at = state.from + (event.clientX - left) / width * (state.to - state.from)
    state.choose({ type: "moment" }, Math.min(Math.max(0, at), end))
  }

  const row = (name: string, className: string, track: HTMLElement): HTMLElement =>
    h("div", { class: `lane ${className}` }, h("div", { class: "lane-name", title: name }, name), track)

  const itemRow = ({ items, name, rows }: Lane, width: number): HTMLElement => {
    const buttons = clustered(items, state, width).map((cluster) => button(cluster, state, width))
    const first = buttons.find((one) => one.classList.contains("selected")) ?? buttons[0]
    if (first !== undefined) first.tabIndex = 0
    return row(
      name,
      "",
      h(
        "div",
        {
          class: "track",
          role: "group",
          "aria-label": name,
          style: `height:${8 + rows * 22}px`,
          click: pointed,
          keydown: rove
        },
        buttons
      )
    )
  }

  const consoleRow = (console: Console, width: number): HTMLElement =>
    row(
      console.name,
      "",
      h("div", { class: "track", style: "height:26px", click: pointed }, activity(console, state, width))
    )

  const chartRow = (one: (typeof charts)[number]): readonly [HTMLElement, () => void] => {
    const plot = h("div", { class: "plot", role: "img", "aria-label": chart.described(one) })
    const legend = h(
      "div",
      { class: "legend" },
      one.fields.map((field, index) =>
        h("span", {}, h("i", { style: `background:var(${chart.colorOf(index)})` }), chart.unitOf(field) || field)
      )
    )
    const element = h(
      "div",
      { class: "lane readings" },
      h("div", { class: "lane-name", title: one.name }, one.name, legend),
      plot
    )
    return [element, () =>
      chart.draw(plot, one, {
        height: 110,
        gutter: gutter(),
        range: () => [state.from, state.to],
        marker: () => state.moment,
        axis: false
      })]
  }

  const render = (): void => {
    const focused = document.activeElement?.getAttribute("aria-label")
    const hadFocus = body.contains(document.activeElement)
    const width = Math.max(
      120,
      body.clientWidth - gutter() - (charts.some(({ fields }) => fields.length === 2) ? 44 : 12)
    )
    const drawn = charts.map(chartRow)
    const axis: Child = h(
      "div",
      { class: "lane axis", "aria-hidden": "true" },
      h("div", { class: "lane-name" }, "time"),
      h(
        "div",
        { class: "track", click: pointed },
        marks(state, width).map((at) =>
          h("span", { style: `left:${(at - state.from) / (state.to - state.from) * 100}%` }, mark(at))
        )
      )
    )
    body.style.setProperty("--right", charts.some(({ fields }) => fields.length === 2) ? "44px" : "12px")
    replace(
      body,
      axis,
      lanesOf(state).map((lane) => itemRow(lane, width)),
      consoles.map((console) => consoleRow(console, width)),
      drawn.map(([element]) => element),
      logLanes(state).map((lane) => itemRow(lane, width)),
      cursor
    )
    for (const [, draw] of drawn) draw()
    const share = (state.moment - state.from) / (state.to - state.from)
    cursor.hidden = share < 0 || share > 1
    cursor.style.setProperty("--at", String(share))
    if (hadFocus) {
      const again = Array.from(body.querySelectorAll("button")).find((one) =>
        one.getAttribute("aria-label") === focused
      )
      if (again !== undefined) {
        again.tabIndex = 0
        again.focus()
      }
    }
  }

  state.onZoom(render)
  state.onChoice(render)
  new ResizeObserver(render).observe(body)

  const tool = (text: string, label: string, click: () => void) =>
    h("button", { type: "button", class: "tool", title: label, "aria-label": label, click }, text)
  const shift = (share: number) => () =>
    state.zoom(state.from + (state.to - state.from) * share, state.to + (state.to - state.from) * share)

  return h(
    "section",
    { class: "card timeline", "aria-labelledby": "timeline-title" },
    h(
      "div",
      { class: "bar-of-tools" },
      h("h2", { id: "timeline-title" }, "Timeline"),
      h(
        "div",
        { class: "tools", role: "group", "aria-label": "Zoom" },
        tool("‹", "Earlier", shift(-0.5)),
        tool("−", "Zoom out", () => state.zoomBy(2)),
        tool("+", "Zoom in", () => state.zoomBy(0.5)),
        tool("›", "Later", shift(0.5)),
        tool("All", "All of the run", () => state.zoom(0, end * 1.02))
      )
    ),
    body
  )
}
