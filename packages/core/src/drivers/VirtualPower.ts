/**
 * The power of virtual devices, which `off` can destroy (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as family from "./family/power.ts"

/**
 * The contract: like `Power.contract`, except that `off` can destroy the instance.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { VirtualPower } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Phone extends Device.Tag("acme/Phone", VirtualPower.contract)<Phone>() {}
 *
 * const discard = Effect.flatMap(Phone, (phone) => phone.off(true))
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_power.client.VirtualPowerClient", {
  ...family.switching,
  ...family.destroying,
  ...family.metering
}, { alsoSpokenBy: ["jumpstarter_driver_cuttlefish.client.CvdPowerClient"], driverType: "power" })

/**
 * The client of virtual power.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
