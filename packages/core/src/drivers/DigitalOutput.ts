/**
 * Output pins (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as family from "./family/gpio.ts"

export { PinState } from "./family/gpio.ts"

/**
 * The contract. `Power.cycle` works for an output as well.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { DigitalOutput, Power } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class ResetPin extends Device.Tag("acme/ResetPin", DigitalOutput.contract)<ResetPin>() {}
 *
 * const reset = Effect.flatMap(ResetPin, (pin) => Power.cycle(pin, { wait: "100 millis" }))
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_gpiod.client.DigitalOutputClient", {
  /** Makes the pin active. */
  on: DriverMethod.call({ documentation: "Makes the pin active.", idempotent: true }),
  /** Makes the pin inactive. */
  off: DriverMethod.call({ documentation: "Makes the pin inactive.", idempotent: true }),
  ...family.reading
}, { driverType: "gpio" })

/**
 * The client of an output pin.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
