// Prints the skeleton of a contract for a driver.
import * as Device from "@effect-jumpstarter/core/Device"
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import * as Effect from "effect/Effect"
import * as contracts from "../contracts.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as target from "../target.ts"
import * as visible from "../visible.ts"

export interface Arguments {
  readonly target: Target
  readonly path: string
}

export const run = ({ path, target: place }: Arguments) =>
  Effect.gen(function*() {
    const names = contracts.parsePath(path)
    const driver = yield* ExporterConnection.driver(names)
    const entry = contracts.entryOf(driver)
    if (entry !== undefined) {
      yield* output.note(`note: this driver has a contract already, @effect-jumpstarter/core/drivers/${entry.name}`)
    }
    const skeleton = yield* Device.skeleton(names)
    yield* output.print(...visible.lines(skeleton.trimEnd()))
  }).pipe(Effect.provide(target.layer(place)))
