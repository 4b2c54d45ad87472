// Serves the board of the demo in a process of its own, until its input ends: `boardProcess.mjs PATH`.
import { Driver, Exporter } from "@effect-jumpstarter/core"
import { Effect } from "effect"
import { once } from "node:events"
import * as Board from "../src/demo/Board.ts"

const path = process.argv[2] ?? ""

await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
  const exporter = yield* Exporter.make(Driver.composite(yield* Board.make), { localLogs: false })
  yield* Exporter.serve(exporter, { path })
  yield* Effect.sync(() => process.stdout.write(`${JSON.stringify({ unix: path, pid: process.pid })}\n`))
  yield* Effect.promise(() => once(process.stdin.resume(), "end"))
})))
