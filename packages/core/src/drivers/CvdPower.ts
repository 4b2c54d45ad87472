/**
 * The power of a Cuttlefish device: `jumpstarter_driver_cuttlefish` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as family from "./family/power.ts"

/**
 * The contract, which has the methods of `VirtualPower.contract`: `on` creates the device if there is none, and waits until
 * Android has booted; `off(true)` deletes the device with its data. The driver cannot measure.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { CvdPower } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class PhonePower extends Device.Tag("acme/PhonePower", CvdPower.contract)<PhonePower>() {}
 *
 * const fresh = Effect.flatMap(PhonePower, (power) => Effect.zipRight(power.off(true), power.on()))
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_cuttlefish.client.CvdPowerClient", {
  ...family.switching,
  ...family.destroying,
  ...family.metering
}, { driverType: "power" })

/**
 * The client of a device's power.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
