// A channel without planned faults and a channel that records behave like the channel below them: the behavior suite
// finds no difference.
import { GrpcChannel } from "@effect-jumpstarter/core"
import { Faults, Recording } from "@effect-jumpstarter/core/testing"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, Layer } from "effect"
import { behaviour } from "../suite/behaviour.ts"
import * as peer from "../suite/peer.ts"
import * as probeExporter from "../support/probeExporter.ts"
import { file } from "./recordings.ts"

const through = (
  name: string,
  wrap: (memory: Layer.Layer<GrpcChannel.GrpcChannel>) => Layer.Layer<GrpcChannel.GrpcChannel, unknown>
): peer.Peer => ({
  name,
  session: Layer.unwrapScoped(
    Effect.map(probeExporter.make, (exporter) =>
      peer.session(
        wrap(GrpcChannel.layerMemory(exporter.handlers)),
        Layer.succeed(peer.Control, { setStatus: exporter.setStatus })
      ))
  ).pipe(Layer.provide(probeExporter.quiet)),
  quirks: peer.noQuirks,
  extent: "transport",
  thorough: false
})

behaviour(through(
  "memory, recorded, with faults",
  (memory) =>
    Layer.unwrapScoped(Effect.map(file, (path) => Recording.layerRecord(path))).pipe(
      Layer.provide(Faults.layer),
      Layer.provide(memory),
      Layer.provide(NodeFileSystem.layer)
    )
))
