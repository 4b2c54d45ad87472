// The exporter of the benchmark in this process.
import { Exporter, ExporterConnection, GrpcChannel } from "@effect-jumpstarter/core"
import { Effect, Layer } from "effect"
import * as driver from "./driver.ts"

export const layer = Layer.unwrapScoped(
  Effect.map(
    Exporter.make(driver.tree(0)),
    ({ handlers }) => ExporterConnection.layerChannel().pipe(Layer.provide(GrpcChannel.layerMemory(handlers)))
  )
)
