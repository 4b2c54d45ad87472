// How long to wait before the next attempt. The exporters of a lab do not return to a controller all at once.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

interface Limits {
  /** The first pause, and the longest one, in milliseconds. */
  readonly least: number
  readonly most: number
}

/** Waits after a number of failures in a row. */
export const after = (failures: number, { least, most }: Limits): Effect.Effect<void> =>
  Effect.flatMap(
    Random.nextRange(0.8, 1.2),
    (jitter) => Effect.sleep(Duration.millis(jitter * Math.min(most, least * 1.5 ** Math.min(failures - 1, 50))))
  )
