// What the reader looks at: a part of the time axis, a moment, and what happened then.
import type { Call, LogLine, Model } from "./model.ts"

export type Selected =
  | { readonly type: "call"; readonly call: Call }
  | { readonly type: "line"; readonly line: LogLine }
  | { readonly type: "connection"; readonly connection: Model["connections"][number] }
  | { readonly type: "moment" }

export class State {
  from = 0
  to: number
  moment: number
  selected: Selected
  private readonly zoomed: Array<() => void> = []
  private readonly chosen: Array<() => void> = []

  constructor(readonly model: Model) {
    this.to = model.end * 1.02
    const { failing } = model
    this.moment = failing?.end ?? model.end
    this.selected = failing === undefined ? { type: "moment" } : { type: "call", call: failing }
  }

  onZoom(listener: () => void): void {
    this.zoomed.push(listener)
  }

  onChoice(listener: () => void): void {
    this.chosen.push(listener)
  }

  choose(selected: Selected, moment: number): void {
    this.selected = selected
    this.moment = moment
    for (const listener of this.chosen) listener()
  }

  zoom(from: number, to: number): void {
    const whole = this.model.end * 1.02
    const width = Math.min(whole, Math.max(to - from, 1))
    this.from = Math.min(Math.max(0, from), whole - width)
    this.to = this.from + width
    for (const listener of this.zoomed) listener()
  }

  // Around the moment if it is in view, else around the middle.
  zoomBy(factor: number): void {
    const width = (this.to - this.from) * factor
    const center = this.moment >= this.from && this.moment <= this.to ? this.moment : (this.from + this.to) / 2
    const share = (center - this.from) / (this.to - this.from)
    this.zoom(center - width * share, center + width * (1 - share))
  }
}
