// The latest lines of a log. They identify the lines that an exporter repeats to a reader that comes back: our host begins
// each subscription with the lines it has kept for late readers.
import * as Option from "effect/Option"
import type { LogEntry } from "../protocol/LogEntry.ts"

// More than our host keeps by default.
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
  // The lines that may be repeated: those from `next` on, just after the last repetition.
  private expected: ReadonlyArray<LogEntry> = []
  private next = 0

  // Call it when a new subscription begins.
  resume(): void {
    this.expected = [...this.older, ...this.newer]
    this.next = 0
  }

  // Records the next line, and returns whether it was seen before. Lines without a time look alike, so they never count as
  // seen.
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
