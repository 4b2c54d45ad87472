/**
 * `npm run demo` drives an exporter that runs in this process. With `JUMPSTARTER_HOST` it shows the drivers of the
 * exporter at that address. `npm run demo -- --write` also switches power and writes to storage; `--write=PATH,PATH`
 * does so only for the drivers at these paths and below. `npm run demo -- --lease` leases a board from a lab in this process.
 */
import { ExporterConnection } from "@effect-jumpstarter/core"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as EmbeddedExporter from "./demo/EmbeddedExporter.ts"
import * as LeaseTour from "./demo/LeaseTour.ts"
import * as RemoteLog from "./demo/RemoteLog.ts"
import * as Screen from "./demo/Screen.ts"
import * as Survey from "./demo/Survey.ts"
import * as Tour from "./demo/Tour.ts"

const demo = Effect.gen(function*() {
  if (process.argv.includes("--lease")) return yield* LeaseTour.run
  const host = yield* Config.option(Config.nonEmptyString("JUMPSTARTER_HOST"))
  if (Option.isNone(host)) return yield* Effect.provide(Tour.run, EmbeddedExporter.layer)
  const writing = yield* Survey.parseArguments(process.argv.slice(2))
  yield* Effect.provide(Survey.run(writing), ExporterConnection.layerEnv())
})

demo.pipe(
  Effect.tapError((error) =>
    Effect.flatMap(Screen.Screen, ({ paint, print }) => print(`\n${paint("bad", "✗")} ${error._tag}: ${error.message}`))
  ),
  Effect.provide(Layer.provideMerge(RemoteLog.layer, Layer.merge(Screen.layer, NodeContext.layer))),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? 0 : Exit.isInterrupted(exit) ? 130 : 1)
  })
)
