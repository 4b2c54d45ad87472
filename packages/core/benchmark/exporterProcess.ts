// Our host in a process of its own: `exporterProcess.ts --unix PATH [--drivers N]`, or `exporterProcess.ts --register FILE`, which
// lends itself through the lab of a configuration file. It prints a line when it is ready, and ends when its standard input does.
import { Exporter, ExporterRegistration } from "@effect-jumpstarter/core"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Logger } from "effect"
import { parseArgs } from "node:util"
import * as driver from "./driver.ts"

const { values } = parseArgs({
  options: {
    unix: { type: "string", default: "" },
    drivers: { type: "string", default: "0" },
    register: { type: "string", default: "" }
  }
})

const inputEnded = Effect.async<void>((resume) => {
  process.stdin.resume().once("close", () => resume(Effect.void))
})

const serve = Effect.flatMap(
  Exporter.make(driver.tree(Number(values.drivers))),
  (exporter) => Exporter.serve(exporter, { path: values.unix })
)

const register = Effect.flatMap(
  Layer.build(ExporterRegistration.Identity.layerFile({ path: values.register })),
  (identity) => Effect.provide(ExporterRegistration.make({ drivers: { bench: driver.bench() } }), identity)
)

Effect.gen(function*() {
  yield* values.register === "" ? serve : register
  process.stdout.write(`${JSON.stringify({ pid: process.pid })}\n`)
  yield* inputEnded
}).pipe(
  Effect.scoped,
  Effect.provide(NodeContext.layer),
  // Standard output is for answers.
  Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))),
  NodeRuntime.runMain
)
