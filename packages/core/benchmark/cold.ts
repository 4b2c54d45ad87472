// A whole program as the README writes it: connect to the exporter at JUMPSTARTER_HOST, call once, print. See
// installation.ts for how it is run.
import { ExporterConnection } from "@effect-jumpstarter/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"

const program = Effect.gen(function*() {
  const bench = yield* ExporterConnection.driver("bench")
  const answer = yield* bench.call("identity", 42)
  if (answer !== 42) return yield* Effect.dieMessage(`${String(answer)} is not 42`)
  const { system, user } = process.cpuUsage()
  process.stdout.write(`${JSON.stringify({ cpu: (system + user) / 1e6 })}\n`)
})

program.pipe(Effect.provide(ExporterConnection.layerEnv()), NodeRuntime.runMain)
