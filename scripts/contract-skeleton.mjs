// Prints the skeleton of a contract for a driver of the exporter that JUMPSTARTER_HOST names: `node --import tsx
// scripts/contract-skeleton.mjs PATH`. Without a path, it is that of the root.
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Device, ExporterConnection } from "../packages/core/src/index.ts"

const program = Device.skeleton(process.argv[2] ?? "").pipe(
  Effect.flatMap(Console.log),
  Effect.provide(ExporterConnection.layerEnv()),
  Effect.catchAll((error) =>
    Effect.zipRight(
      Console.error(error.message),
      Effect.sync(() => {
        process.exitCode = 1
      })
    )
  )
)
await Effect.runPromise(program)
