import type { DriverFacts, ToPage } from "../src/benchPage/Messages.ts"
import { pieceBytes } from "../src/benchPage/pieces.ts"
import { make, visible } from "./element.ts"
import type { Line } from "./line.ts"

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** A flasher: a file that is dropped here is written to the device. */
export const card = ({ path }: DriverFacts, isWritable: boolean, line: Line) => {
  const picker = make("input", { type: "file", disabled: !isWritable })
  picker.setAttribute("aria-label", `Image for ${path}`)
  const target = make("input", { type: "text", placeholder: "target (optional)", disabled: !isWritable, size: 16 })
  target.setAttribute("aria-label", "Target")
  const zone = make(
    "label",
    { className: "drop" },
    isWritable ? "Drop an image here, or " : "This page only reads. ",
    picker
  )
  const bar = make("progress", { max: 1, value: 0, hidden: true })
  bar.setAttribute("aria-label", "Progress")
  const cancel = make("button", { type: "button", hidden: true }, "Cancel")
  const outcome = make("p", { className: "outcome" })
  outcome.setAttribute("role", "status")
  const element = make(
    "section",
    { className: "card" },
    make("div", { className: "top" }, make("h2", {}, `Flash: ${visible(path)}`), target, cancel),
    zone,
    bar,
    outcome
  )
  element.setAttribute("aria-label", `Flash: ${path}`)

  let file: File | undefined
  let sent = 0
  // One piece after the other, however fast they are asked for.
  let reading: Promise<void> = Promise.resolve()

  const flash = (chosen: File) => {
    file = chosen
    sent = 0
    const name = target.value.trim()
    line.send({
      type: "flash",
      path,
      name: chosen.name,
      size: chosen.size,
      ...name === "" ? {} : { target: name }
    })
  }
  const sendPiece = async () => {
    if (file === undefined || sent >= file.size) return
    const piece = file.slice(sent, sent + pieceBytes)
    sent += piece.size
    line.sendPiece(await piece.arrayBuffer())
  }

  picker.onchange = () => {
    const [chosen] = picker.files ?? []
    if (chosen !== undefined) flash(chosen)
    picker.value = ""
  }
  cancel.onclick = () => line.send({ type: "cancel", path })
  zone.ondragover = (event) => {
    event.preventDefault()
    zone.classList.toggle("over", isWritable)
  }
  zone.ondragleave = () => zone.classList.remove("over")
  zone.ondrop = (event) => {
    event.preventDefault()
    zone.classList.remove("over")
    const dropped = event.dataTransfer?.files[0]
    if (isWritable && dropped !== undefined) flash(dropped)
  }

  return {
    element,
    more: () => {
      reading = reading.then(sendPiece)
    },
    moved: ({ moved, name, size, state, text }: Extract<ToPage, { type: "transfer" }>) => {
      const isRunning = state === "running"
      bar.hidden = !isRunning
      cancel.hidden = !isRunning
      bar.max = size
      bar.value = moved
      outcome.className = `outcome ${state === "done" ? "good" : isRunning ? "" : "bad"}`
      outcome.textContent = isRunning
        ? `${name}: ${megabytes(moved)} of ${megabytes(size)}`
        : `${name}: ${state}${text === "" ? "" : `, ${visible(text)}`}`
      if (!isRunning) file = undefined
    }
  }
}
