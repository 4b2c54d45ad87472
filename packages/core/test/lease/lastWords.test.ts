// A process that is ended while it releases a lease.
import { describe, it } from "@effect/vitest"
import { assertInclude, deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as program from "../support/program.ts"

/** Sends the signal when the process begins to hold its lease, and again when it begins to release it. */
const twice = (signal: NodeJS.Signals) =>
  Effect.async<{ readonly output: string; readonly end: NodeJS.Signals | number | null }>((resume) => {
    const child = spawn(process.execPath, [program.path("leaseHolder")], { stdio: ["ignore", "pipe", "inherit"] })
    let output = ""
    child.stdout.on("data", (bytes) => {
      const text = String(bytes)
      output += text
      if (text.includes("held\n") || text.includes("releasing\n")) child.kill(signal)
    })
    child.once("close", (code, end) => resume(Effect.succeed({ output, end: end ?? code })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("a process that holds a lease", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.live(`ends with a second ${signal}, and says what it leaves behind`, () =>
      Effect.gen(function*() {
        const { end, output } = yield* twice(signal)
        deepStrictEqual(end, signal)
        assertInclude(output, "was not released and keeps its exporter until its 30m are over; `jmp delete leases ")
      }))
  }
})
