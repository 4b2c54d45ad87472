// Our host in a process of its own: `exporterProcess.ts --unix PATH [--drivers N]`. It prints a line when it is ready, and
// ends when its standard input does.
import { Exporter } from "@effect-jumpstarter/core"
import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { parseArgs } from "node:util"
import * as driver from "./driver.ts"

const { values } = parseArgs({
  options: { unix: { type: "string", default: "" }, drivers: { type: "string", default: "0" } }
})

const inputEnded = Effect.async<void>((resume) => {
  process.stdin.resume().once("close", () => resume(Effect.void))
})

Effect.gen(function*() {
  const exporter = yield* Exporter.make(driver.tree(Number(values.drivers)))
  yield* Exporter.serve(exporter, { path: values.unix })
  process.stdout.write(`${JSON.stringify({ pid: process.pid })}\n`)
  yield* inputEnded
}).pipe(Effect.scoped, NodeRuntime.runMain)
