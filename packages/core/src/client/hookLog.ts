// What lease hooks wrote into the log, run by run, while somebody listened.
import * as Option from "effect/Option"
import { type ExporterStatus, failedHook, type LeaseHook, type StatusReport } from "../protocol/ExporterStatus.ts"
import type { LogEntry, LogSource } from "../protocol/LogEntry.ts"

const maxLines = 256

const hooks: ReadonlyArray<LeaseHook> = ["beforeLease", "afterLease"]

const sources: Record<LeaseHook, LogSource & ExporterStatus> = {
  beforeLease: "BEFORE_LEASE_HOOK",
  afterLease: "AFTER_LEASE_HOOK"
}

/** The sources of the lines that hooks write. */
export const hookSources: ReadonlyArray<LogSource> = Object.values(sources)

export class HookLog {
  private readonly lines: Record<LeaseHook, Array<LogEntry>> = { beforeLease: [], afterLease: [] }
  private last: LeaseHook | undefined

  note(entry: LogEntry): void {
    const hook = hooks.find((hook) => sources[hook] === entry.source)
    if (hook === undefined) return
    const lines = this.lines[hook]
    // Lines that this hook wrote before the other one ran are from an earlier lease.
    if (hook !== this.last) lines.length = 0
    this.last = hook
    lines.push(entry)
    if (lines.length > maxLines) lines.shift()
  }

  learn(report: StatusReport): void {
    const failed = Option.getOrUndefined(failedHook(report))
    for (const hook of hooks) {
      // A reader that was told of a failure still needs the lines of that run.
      if (report.status !== sources[hook] && hook !== failed) this.lines[hook] = []
    }
  }

  // The lines of the latest run. More may follow.
  of(hook: LeaseHook): ReadonlyArray<LogEntry> {
    return this.lines[hook]
  }
}
