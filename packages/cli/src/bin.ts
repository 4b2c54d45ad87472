#!/usr/bin/env node
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as cli from "./cli.ts"
import { codes } from "./failure.ts"
import * as processTty from "./processTty.ts"

NodeRuntime.runMain(
  cli.run(process.argv.slice(2)).pipe(
    Effect.tap((code) =>
      Effect.sync(() => {
        process.exitCode = code
      })
    ),
    Effect.provide(processTty.layer),
    Effect.provide(NodeContext.layer)
  ),
  {
    disableErrorReporting: true,
    disablePrettyLogger: true,
    // An input that is still open would keep the process alive. What was printed is written first.
    teardown: (exit) => {
      const code = Exit.isSuccess(exit) ? Number(process.exitCode) : codes.interrupted
      process.stdout.write("", () => processTty.exit(code))
    }
  }
)
