// Files to flash. They are what the benchmark's own exporter produces, written in the encoding that is asked for.
import { type ContentEncoding, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import { NodeFileSystem } from "@effect/platform-node"
import { Effect } from "effect"
import * as inMemory from "./inMemory.ts"

export interface Image {
  readonly path: string
  /** The digest of the bytes before they were encoded. */
  readonly sha256: string
  readonly encoding?: ContentEncoding.ContentEncoding | undefined
}

/** Writes a file of `bytes` bytes. */
export const make = (path: string, bytes: number, encoding?: ContentEncoding.ContentEncoding): Effect.Effect<Image> =>
  Effect.gen(function*() {
    const bench = yield* ExporterConnection.driver("bench")
    const file = yield* bench.resource(yield* Resource.toFile(path, { contentEncoding: encoding }))
    const sha256 = String(yield* bench.call("produce", file, 65_536, bytes))
    return { path, sha256, encoding }
  }).pipe(Effect.scoped, Effect.provide([inMemory.layer, NodeFileSystem.layer]), Effect.orDie)
