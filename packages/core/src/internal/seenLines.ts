// The latest lines of a log, by which those are known that an exporter says again to a reader who comes back: our host
// begins with what it has kept for readers who come late.
import * as Option from "effect/Option"
import type { LogEntry } from "../LogEntry.ts"

// More than our host keeps unless told otherwise.
const capacity = 1_024

const isSame = (a: LogEntry, b: LogEntry): boolean => {
  const keys = Object.keys(a.fields)
  return Option.getOrUndefined(a.timestamp)?.epochMillis === Option.getOrUndefined(b.timestamp)?.epochMillis &&
    a.message === b.message && a.source === b.source && a.severity === b.severity &&
    Option.getOrNull(a.operation) === Option.getOrNull(b.operation) &&
    Option.getOrNull(a.driverType) === Option.getOrNull(b.driverType) &&
    keys.length === Object.keys(b.fields).length && keys.every((key) => a.fields[key] === b.fields[key])
}

export class SeenLines {
  private older: ReadonlyArray<LogEntry> = []
  private newer: Array<LogEntry> = []
  // What may be said again: those after the last that was.
  private expected: ReadonlyArray<LogEntry> = []

  // The subscription is a new one.
  resume(): void {
    this.expected = [...this.older, ...this.newer]
  }

  // Takes note of the next line; answers whether it has been seen before. Lines without a time look alike.
  isRepeated(entry: LogEntry): boolean {
    if (this.expected.length > 0) {
      const index = Option.isNone(entry.timestamp) ? -1 : this.expected.findIndex((seen) => isSame(seen, entry))
      this.expected = index === -1 ? [] : this.expected.slice(index + 1)
      if (index !== -1) return true
    }
    this.newer.push(entry)
    if (this.newer.length === capacity) {
      this.older = this.newer
      this.newer = []
    }
    return false
  }
}
