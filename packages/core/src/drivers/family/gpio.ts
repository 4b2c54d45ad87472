// What drivers of pins have in common. The public contracts of the family spread these methods.
import * as Schema from "effect/Schema"
import * as DriverMethod from "../../contract/DriverMethod.ts"

/**
 * The level of a pin: 1 is active.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PinState = Schema.Literal(0, 1)

/**
 * @since 0.1.0
 * @category models
 */
export type PinState = typeof PinState.Type

export const reading = {
  /** Reads the level of the pin. */
  read_pin: DriverMethod.call({
    result: PinState,
    effect: "read",
    documentation: "Reads the level of the pin.",
    idempotent: true
  })
}
