// Prints the skeleton of a contract for a driver of the exporter that JUMPSTARTER_HOST names: `node --import tsx
// scripts/contract-skeleton.mjs PATH`. Without a path, it is that of the root.
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Device, ExporterConnection } from "../packages/core/src/index.ts"

Device.skeleton(process.argv[2] ?? "").pipe(
  Effect.flatMap(Console.log),
  Effect.provide(ExporterConnection.layerEnv),
  NodeRuntime.runMain
)
