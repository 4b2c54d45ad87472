import { layer } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFile } from "node:child_process"
import * as process_ from "../support/process.ts"
import * as program from "../support/program.ts"

class Exporter extends Context.Tag("test/exit/Exporter")<Exporter, process_.ExporterProcess["ready"]>() {}

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

/** Checks that a process ends by itself when it has nothing more to do. */
export const exit = (name: string, command: () => process_.Command): void => {
  const exporter = Layer.scoped(
    Exporter,
    Effect.map(Effect.suspend(() => process_.start(command(), ["--tcp"])), ({ ready }) => ready)
  )

  layer(exporter, { excludeTestServices: true, timeout: "30 seconds" })(`a client of ${name}`, (it) => {
    it.effect("that left everything unfinished ends by itself", () =>
      Effect.gen(function*() {
        deepStrictEqual(yield* run((yield* Exporter).unix, "unfinished"), done)
      }), 30_000)

    it.effect("that left its connection open ends by itself", () =>
      Effect.gen(function*() {
        const { tcp, unix } = yield* Exporter
        for (const address of [unix, tcp ?? ""]) deepStrictEqual(yield* run(address, "idle"), done)
      }), 30_000)
  })
}
