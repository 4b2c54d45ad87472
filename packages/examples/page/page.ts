// The page of the bench: what the server tells becomes what is seen.
import type { ToPage } from "../src/benchPage/Messages.ts"
import { byId, clock, make, visible } from "./element.ts"
import * as flasher from "./flasher.ts"
import * as line from "./line.ts"
import * as log from "./log.ts"
import * as power from "./power.ts"
import * as terminal from "./terminal.ts"

type Facts = Extract<ToPage, { type: "bench" }>

const stateTexts = { Ready: "connected", Lost: "lost", Connecting: "reconnecting", Closed: "closed" } as const

const state = byId("state", HTMLParagraphElement)
const status = byId("status", HTMLParagraphElement)
const notice = byId("notice", HTMLParagraphElement)
const lock = byId("lock", HTMLFormElement)
const token = byId("token", HTMLInputElement)
const events = byId("events", HTMLOListElement)

const supplies = new Map<string, ReturnType<typeof power.card>>()
const consoles = new Map<string, ReturnType<typeof terminal.card>>()
const flashers = new Map<string, ReturnType<typeof flasher.card>>()
const addLine = log.open()

let shown = ""

const note = (text: string, isGood: boolean, time = Date.now()) => {
  events.prepend(make("li", { className: isGood ? "good" : "bad" }, make("time", {}, clock(time)), ` ${visible(text)}`))
  if (events.childElementCount > 100) events.lastElementChild?.remove()
}

const complain = (text: string) => {
  notice.hidden = text === ""
  notice.textContent = visible(text)
}

const showBench = (bench: Facts, server: line.Line) => {
  document.title = visible(bench.title)
  byId("title", HTMLHeadingElement).textContent = visible(bench.title)
  const labels = Object.entries(bench.labels).map(([name, value]) => `${name}=${value}`)
  byId("address", HTMLParagraphElement).textContent = visible([bench.address, ...labels, bench.motd].join("  "))
  byId("mode", HTMLParagraphElement).hidden = bench.isWritable
  byId("bench", HTMLElement).hidden = false
  lock.hidden = true
  // The cards stay when the same exporter is back.
  const now = JSON.stringify([bench.drivers, bench.isWritable])
  if (now === shown) return
  shown = now
  byId("drivers", HTMLUListElement).replaceChildren(
    ...bench.drivers.map(({ description, label, path }) =>
      make("li", {}, visible(path), make("small", {}, visible([label, description].filter(Boolean).join(": "))))
    )
  )
  for (const cards of [supplies, consoles, flashers]) cards.clear()
  const devices = byId("devices", HTMLDivElement)
  devices.replaceChildren()
  for (const driver of bench.drivers) {
    if (driver.role === "power") {
      const card = power.card(driver, bench.isWritable, server)
      supplies.set(driver.path, card)
      devices.append(card.element)
    } else if (driver.role === "console") {
      const card = terminal.card(driver, bench.isWritable, server)
      consoles.set(driver.path, card)
      devices.append(card.element)
      card.attached()
    } else if (driver.role === "flasher") {
      const card = flasher.card(driver, bench.isWritable, server)
      flashers.set(driver.path, card)
      devices.append(card.element)
    }
  }
}

const hear = (message: ToPage) => {
  switch (message.type) {
    case "bench":
      return showBench(message, server)
    case "state": {
      const { reason, state: now, time } = message
      state.dataset["state"] = now
      state.textContent = stateTexts[now]
      return note(`${stateTexts[now]}${reason === "" ? "" : `: ${reason}`}`, now === "Ready", time)
    }
    case "status":
      status.hidden = false
      status.textContent = visible(message.status)
      status.title = visible(message.message)
      return
    case "log":
      return addLine(message)
    case "reading":
      return supplies.get(message.path)?.measured(message.time, message.voltage, message.current)
    case "output":
      return consoles.get(message.path)?.said(message.bytes)
    case "console":
      return consoles.get(message.path)?.changed(message.isOpen, message.text)
    case "transfer":
      if (message.state !== "running") note(`${message.name}: ${message.state}`, message.state === "done")
      return flashers.get(message.path)?.moved(message)
    case "more":
      return flashers.get(message.path)?.more()
    case "outcome":
      complain(message.isGood ? "" : message.text)
      return note(message.text, message.isGood)
    case "locked":
      lock.hidden = false
      byId("lock-text", HTMLParagraphElement).textContent = message.text
      return token.focus()
    case "now":
      return
  }
}

const server: line.Line = line.open({
  heard: hear,
  opened: () => {
    complain("")
    events.replaceChildren()
    // The past comes again.
    shown = ""
    byId("lines", HTMLOListElement).replaceChildren()
  },
  missed: (count) => note(`this page was too slow for ${count} messages`, false),
  ended: () => {
    state.dataset["state"] = "Lost"
    state.textContent = "no server"
    complain("The program that serves this page does not answer. The page tries again every second.")
  }
})

lock.onsubmit = (event) => {
  event.preventDefault()
  server.send({ type: "token", token: token.value })
  token.value = ""
}
