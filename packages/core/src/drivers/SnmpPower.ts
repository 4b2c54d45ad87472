/**
 * Outlets of power strips that are switched over SNMP: `jumpstarter_driver_snmp`.
 *
 * @since 0.1.0
 */
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as family from "./family/power.ts"

/**
 * The contract. The outlets cannot measure.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Power, SnmpPower } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Outlet extends Device.Tag("acme/Outlet", SnmpPower.contract)<Outlet>() {}
 *
 * const restart = Effect.flatMap(Outlet, (outlet) => Power.cycle(outlet))
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_snmp.client.SNMPServerClient", {
  ...family.switching
}, { driverType: "power" })

/**
 * The client of an outlet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
