/** Prints failed calls. */
import { DriverError } from "@effect-jumpstarter/core"
import * as Effect from "effect/Effect"
import { facts, Screen } from "./Screen.ts"

/** Prints a typed error of a driver call. */
export const show = (error: DriverError.DriverCallError) =>
  Effect.gen(function*() {
    const { paint, print } = yield* Screen
    yield* print(`  ${paint("bad", "✗")} ${paint("bold", error._tag)}`)
    yield* facts({
      code: error.code,
      origin: error.origin,
      ...("path" in error && error.path.length > 0 ? { path: DriverError.formatValuePath(error.path) } : {}),
      message: error.message
    }, 4)
  })
