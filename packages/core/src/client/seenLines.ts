// The latest lines of a log, by which those are known that an exporter says again to a reader who comes back: our host
// begins with what it has kept for readers who come late.
import * as Option from "effect/Option"
import type { LogEntry } from "../protocol/LogEntry.ts"

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
  // What may be said again: from `next` on, which comes after the last that was.
  private expected: ReadonlyArray<LogEntry> = []
  private next = 0

  // The subscription is a new one.
  resume(): void {
    this.expected = [...this.older, ...this.newer]
    this.next = 0
  }

  // Takes note of the next line; answers whether it has been seen before. Lines without a time look alike.
  isRepeated(entry: LogEntry): boolean {
    if (Option.isSome(entry.timestamp)) {
      for (let index = this.next; index < this.expected.length; index++) {
        const seen = this.expected[index]
        if (seen === undefined || !isSame(seen, entry)) continue
        this.next = index + 1
        return true
      }
    }
    if (this.expected.length > 0) this.expected = []
    this.newer.push(entry)
    if (this.newer.length === capacity) {
      this.older = this.newer
      this.newer = []
    }
    return false
  }
}
