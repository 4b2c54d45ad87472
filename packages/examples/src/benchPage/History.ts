/** The messages that a page gets when it opens. Their number is bounded. */
import type { Numbered, ToPage } from "./Messages.ts"

// The last messages of a kind, for each driver.
const kept: Record<ToPage["type"], number> = {
  bench: 1,
  state: 50,
  status: 1,
  log: 500,
  reading: 1200,
  output: 500,
  console: 1,
  transfer: 1,
  outcome: 0,
  now: 0,
  more: 0,
  locked: 0
}

export class History {
  private readonly lists = new Map<string, Array<Numbered>>()
  private number = 0

  /** Numbers a message, and remembers it. */
  keep(message: ToPage): Numbered {
    const numbered = { ...message, number: ++this.number }
    const key = "path" in message ? `${message.type} ${message.path}` : message.type
    const list = this.lists.get(key) ?? []
    this.lists.set(key, list)
    list.push(numbered)
    if (list.length > kept[message.type]) list.shift()
    return numbered
  }

  get messages(): ReadonlyArray<Numbered> {
    return [...this.lists.values()].flat().sort((one, other) => one.number - other.number)
  }
}
