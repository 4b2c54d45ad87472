// Prints the skeleton of a contract for a driver.
import * as Device from "@effect-jumpstarter/core/Device"
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import * as Effect from "effect/Effect"
import * as contracts from "../contracts.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as ownContracts from "../ownContracts.ts"
import * as target from "../target.ts"
import * as visible from "../visible.ts"

export interface Arguments {
  readonly target: Target
  readonly contracts: ReadonlyArray<string>
  readonly json: boolean
  readonly path: string
}

export const run = ({ contracts: files, json, path, target: place }: Arguments) =>
  Effect.gen(function*() {
    const known = yield* ownContracts.load(files)
    const program = Effect.gen(function*() {
      const names = contracts.parsePath(path)
      const driver = yield* ExporterConnection.driver(names)
      const entry = known.entryOf(driver)
      if (entry !== undefined) {
        yield* output.note(`note: this driver has a contract already, ${entry.name} of ${known.sourceOf(entry)}`)
      }
      const skeleton = yield* Device.skeleton(names)
      yield* output.document(
        json,
        { driver: path, client: contracts.labelOf(driver), contract: entry?.name ?? null, skeleton },
        () => visible.lines(skeleton.trimEnd())
      )
    })
    yield* Effect.provide(program, target.layer(place))
  })
