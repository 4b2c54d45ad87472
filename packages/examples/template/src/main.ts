import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { bench } from "./bench.ts"
import { kernelRelease } from "./board.ts"

kernelRelease.pipe(
  Effect.tap((release) => Effect.log(`the board runs Linux ${release}`)),
  Effect.scoped,
  Effect.provide(bench),
  NodeRuntime.runMain
)
