import type { ToPage } from "../src/benchPage/Messages.ts"
import { byId, clock, make, visible } from "./element.ts"

type Entry = Extract<ToPage, { type: "log" }>

const levels: Readonly<Record<string, number>> = { DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3, CRITICAL: 3 }

const most = 2000

/** The exporter's log, with its filters. */
export const open = () => {
  const list = byId("lines", HTMLOListElement)
  const level = byId("log-level", HTMLSelectElement)
  const text = byId("log-text", HTMLInputElement)
  const isShown = ({ level: one, operation, source, text: message }: Entry) =>
    (levels[one] ?? 1) >= Number(level.value) &&
    `${source} ${operation} ${message}`.toLowerCase().includes(text.value.toLowerCase())
  const entries: Array<{ readonly entry: Entry; readonly line: HTMLElement }> = []
  const filter = () => {
    for (const { entry, line } of entries) line.hidden = !isShown(entry)
  }
  level.onchange = filter
  text.oninput = filter
  return (entry: Entry) => {
    const { level, operation, source, text, time } = entry
    const from = operation === "" ? source : `${source} ${operation}`
    const line = make(
      "li",
      { className: level, hidden: !isShown(entry) },
      make("time", {}, clock(time)),
      ` ${level.padEnd(8)}${visible(from)}: ${visible(text)}`
    )
    const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 30
    entries.push({ entry, line })
    list.append(line)
    if (entries.length > most) entries.shift()?.line.remove()
    if (isAtEnd) list.scrollTop = list.scrollHeight
  }
}
