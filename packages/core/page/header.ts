// Which run this is, and how it ended.
import { type Child, h, visible } from "./dom.ts"
import type { Model } from "./model.ts"
import { seconds } from "./units.ts"

const marks = { passed: "✓", failed: "✗", interrupted: "■", unfinished: "■" }

// Vitest's own texts have colors for a terminal.
// eslint-disable-next-line no-control-regex
const plain = (text: string): string => text.replace(/\x1b\[[0-9;]*m/g, "")

const lanes: Record<string, string> = {
  calls: "calls",
  items: "readings and other results",
  bytes: "pieces of consoles",
  log: "lines of the exporter's log",
  messages: "lines of the program's log"
}

const stackOf = (stack: string | undefined, message: string): Child => {
  if (stack === undefined) return undefined
  const frames = plain(stack).split("\n").filter((line) => /^\s*at /.test(line)).join("\n")
  return frames === "" || message === ""
    ? undefined
    : h("details", {}, h("summary", {}, "Stack"), h("pre", { tabindex: "0" }, visible(frames)))
}

export const header = ({ calls, connections, cuts, end, exporters, header }: Model): HTMLElement => {
  const begun = new Date(header.begun)
  const ofDrivers = calls.filter(({ kind }) => kind !== "step" && kind !== "lease")
  const failed = ofDrivers.filter(({ outcome }) => outcome === "failed").length
  const losses = connections.filter(({ state }) => state === "Lost").length
  const fact = (name: string, value: Child) => h("div", {}, h("dt", {}, name), h("dd", {}, value))
  return h(
    "header",
    { class: `run ${header.outcome}` },
    h(
      "h1",
      {},
      h("span", { class: `verdict ${header.outcome}` }, `${marks[header.outcome]} ${header.outcome}`),
      " ",
      h("span", { class: "name" }, visible(header.name))
    ),
    h(
      "dl",
      { class: "facts" },
      header.file === undefined ? undefined : fact("file", visible(header.file)),
      fact("begun", h("time", { datetime: header.begun, title: header.begun }, begun.toLocaleString())),
      header.outcome === "unfinished" ? fact("took at least", seconds(end)) : fact("took", seconds(header.millis)),
      fact("exporter", exporters.length === 0 ? "no connection" : exporters.join(", ")),
      fact("calls", `${ofDrivers.length}${failed === 0 ? "" : `, ${failed} failed`}`),
      losses === 0 ? undefined : fact("losses", `${losses}`)
    ),
    header.errors.map(({ message, stack }) =>
      h(
        "div",
        { class: "error", role: "note" },
        h("pre", { tabindex: "0" }, visible(plain(message))),
        stackOf(stack, message)
      )
    ),
    header.outcome !== "unfinished" ? undefined : h(
      "p",
      { class: "notice" },
      "The process ended before the run did. What happened in its last second can be missing."
    ),
    exporters.length > 0 ? undefined : h(
      "p",
      { class: "notice" },
      "No connection was recorded. A connection is recorded when it is made below the layer of the record."
    ),
    cuts.map(({ at, lines, of, until }) =>
      h(
        "p",
        { class: "notice" },
        `Too much to keep: ${lines} ${lanes[of] ?? of} between ${seconds(at)} and ${seconds(until)} are left out.`
      )
    )
  )
}
