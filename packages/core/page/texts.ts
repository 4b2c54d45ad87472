// The whole text of the consoles, and both logs.
import { consoleLines } from "./details.ts"
import { h, replace, visible } from "./dom.ts"
import type { LogLine } from "./model.ts"
import type { State } from "./state.ts"
import { moment } from "./units.ts"

// A page with more rows than this would be slow to open.
const shownAtOnce = 2_000

export const consoles = (state: State): ReadonlyArray<HTMLElement> =>
  state.model.consoles.map(({ lines, name }, index) =>
    h(
      "section",
      { class: "card", "aria-labelledby": `console-${index}` },
      h("h2", { id: `console-${index}` }, "Console ", h("span", { class: "muted" }, name)),
      h(
        "div",
        { class: "console whole", tabindex: "0", role: "region", "aria-label": `transcript of ${name}` },
        lines.length <= shownAtOnce
          ? undefined
          : h("p", { class: "muted" }, `${lines.length - shownAtOnce} earlier lines are in the .jsonl file.`),
        consoleLines(lines.slice(-shownAtOnce))
      )
    )
  )

const levels: ReadonlyArray<LogLine["level"]> = ["debug", "info", "warning", "error"]

export const log = (state: State): HTMLElement | undefined => {
  const { log } = state.model
  if (log.length === 0) return undefined
  const rows = h("ol", { class: "log" })
  const count = h("p", { class: "muted", role: "status" })
  let least = 0
  let search = ""
  const render = (): void => {
    const shown = log.filter(({ level, origin, text }) =>
      levels.indexOf(level) >= least && `${origin} ${text}`.toLowerCase().includes(search)
    )
    replace(
      rows,
      shown.slice(0, shownAtOnce).map((line) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: `log-line ${line.level}`,
              click: () => state.choose({ type: "line", line }, line.at)
            },
            h("time", {}, moment(line.at)),
            h("span", { class: `level ${line.level}` }, line.level),
            h("span", { class: "origin" }, visible(line.origin)),
            h("span", { class: "text" }, visible(line.text))
          )
        )
      )
    )
    count.textContent = shown.length > shownAtOnce
      ? `${shownAtOnce} of ${shown.length} lines; all are in the .jsonl file.`
      : `${shown.length} of ${log.length} lines`
  }
  render()
  const choose = (event: Event): void => {
    if (event.target instanceof HTMLSelectElement) least = event.target.selectedIndex
    render()
  }
  const find = (event: Event): void => {
    if (event.target instanceof HTMLInputElement) search = event.target.value.toLowerCase()
    render()
  }
  return h(
    "section",
    { class: "card", "aria-labelledby": "log-title" },
    h(
      "div",
      { class: "bar-of-tools" },
      h("h2", { id: "log-title" }, "Logs"),
      h(
        "div",
        { class: "tools" },
        h("label", {}, "Level ", h("select", { change: choose }, levels.map((level) => h("option", {}, level)))),
        h("label", {}, "Find ", h("input", { type: "search", input: find }))
      )
    ),
    count,
    rows
  )
}
