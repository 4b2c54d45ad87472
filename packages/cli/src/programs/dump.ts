// Reads the content of a device into a file.
import * as ProgressBar from "@effect-jumpstarter/core/ProgressBar"
import * as Resource from "@effect-jumpstarter/core/Resource"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as target from "../target.ts"
import * as transfer from "../transfer.ts"
import * as visible from "../visible.ts"

export interface Arguments {
  readonly target: Target
  readonly json: boolean
  readonly partition: Option.Option<string>
  readonly path: string
  readonly file: string
}

export const run = ({ file, json, partition, path, target: place }: Arguments) =>
  Effect.gen(function*() {
    const found = yield* transfer.find(path, ["dump", "read"])
    const digest = new transfer.Digest()
    const bar = yield* transfer.progress("dump")
    const local = yield* Resource.toFile(file, { contentEncoding: "identity" })
    const sink = ProgressBar.show({
      ...local,
      sink: Sink.mapInput(local.sink, (bytes: Uint8Array) => {
        digest.add(bytes)
        return bytes
      })
    }, bar)
    yield* Effect.scoped(Effect.flatMap(
      found.driver.resource(sink),
      (handle) => transfer.switched(found, found.driver.call(found.method, handle, ...Option.toArray(partition)))
    ))
    yield* output.document(
      json,
      { driver: path, file, bytes: digest.size, sha256: digest.sha256 },
      () => [visible.line(`${found.place}: read ${digest.size} bytes into ${file}, sha256 ${digest.sha256}`)]
    )
  }).pipe(Effect.provide(target.layer(place)))
