// The program of cold.ts, which imports only the modules it needs.
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import * as Effect from "effect/Effect"

const program = Effect.gen(function*() {
  const bench = yield* ExporterConnection.driver("bench")
  const answer = yield* bench.call("identity", 42)
  if (answer !== 42) return yield* Effect.dieMessage(`${String(answer)} is not 42`)
  const { system, user } = process.cpuUsage()
  process.stdout.write(`${JSON.stringify({ cpu: (system + user) / 1e6 })}\n`)
})

Effect.runPromise(Effect.provide(program, ExporterConnection.layerEnv()))
