import { FitAddon } from "@xterm/addon-fit"
import { Terminal } from "@xterm/xterm"
import type { DriverFacts } from "../src/benchPage/Messages.ts"
import { make, visible } from "./element.ts"
import type { Line } from "./line.ts"

const encoder = new TextEncoder()

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

const bytesOf = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

/** A console in a terminal. What is typed goes to the device. */
export const card = ({ path }: DriverFacts, isWritable: boolean, line: Line) => {
  const holder = make("div", { className: "terminal closed" })
  const note = make("output", {}, isWritable ? "opening" : "opening a port is a write, and this page only reads")
  const element = make(
    "section",
    { className: "card" },
    make("div", { className: "top" }, make("h2", {}, `Console: ${visible(path)}`), note),
    holder
  )
  element.setAttribute("aria-label", `Console: ${path}`)
  const terminal = new Terminal({
    fontSize: 13,
    scrollback: 5000,
    convertEol: false,
    disableStdin: !isWritable,
    screenReaderMode: true,
    theme: { background: "#0c1110", foreground: "#d9e5e1", cursor: "#56d3b8" }
  })
  const fit = new FitAddon()
  terminal.loadAddon(fit)
  terminal.onData((text) => {
    // A request has room for a paste of any length only in pieces.
    const bytes = encoder.encode(text)
    for (let at = 0; at < bytes.length; at += 4096) {
      line.send({ type: "input", path, bytes: base64(bytes.subarray(at, at + 4096)) })
    }
  })
  const attached = () => {
    terminal.open(holder)
    new ResizeObserver(() => fit.fit()).observe(holder)
  }
  return {
    element,
    attached,
    said: (bytes: string) => terminal.write(bytesOf(bytes)),
    changed: (isOpen: boolean, text: string) => {
      holder.classList.toggle("closed", !isOpen)
      note.textContent = isOpen ? "open" : visible(text)
    }
  }
}
