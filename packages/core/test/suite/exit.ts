import { it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import * as process_ from "../support/process.ts"
import * as program from "../support/program.ts"

interface Ended {
  readonly code: number | string | null | undefined
  readonly stdout: string
  readonly stderr: string
}

// The timeout kills a program that something keeps alive, which shows as a signal instead of a code.
const run = (address: string, what: "unfinished" | "idle"): Effect.Effect<Ended> =>
  Effect.async((resume) => {
    const child = execFile(
      process.execPath,
      [program.path("processClient"), address, what],
      { timeout: 8_000 },
      (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : error.code ?? error.signal, stdout, stderr }))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const done: Ended = { code: 0, stdout: "done\n", stderr: "" }

/** A process that has nothing more to do ends by itself. */
export const exit = (name: string, command: () => process_.Command): void => {
  it.scopedLive(`a client of ${name} that left everything unfinished ends by itself`, () =>
    Effect.gen(function*() {
      const exporter = yield* process_.start(command())
      deepStrictEqual(yield* run(exporter.ready.unix, "unfinished"), done)
    }), 30_000)

  it.scopedLive(`a client of ${name} that left its connection open ends by itself`, () =>
    Effect.gen(function*() {
      const { ready } = yield* process_.start(command(), ["--tcp"])
      for (const address of [ready.unix, ready.tcp ?? ""]) deepStrictEqual(yield* run(address, "idle"), done)
    }), 30_000)
}
