/**
 * Virtual devices in the Corellium cloud: `jumpstarter_driver_corellium` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as DriverInterface from "../contract/DriverInterface.ts"

/**
 * The contract. It has no methods: the child `power`, which implements `VirtualPower.contract`, creates the virtual device
 * and destroys it, and the child `serial`, which implements `Serial.contract`, is its console.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Serial, VirtualPower } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Phone extends Device.Tag("acme/Phone", VirtualPower.contract)<Phone>() {}
 * class PhoneConsole extends Device.Tag("acme/PhoneConsole", Serial.contract)<PhoneConsole>() {}
 *
 * const boot = Effect.gen(function*() {
 *   const phone = yield* Phone
 *   yield* Effect.acquireRelease(phone.on(), () => Effect.ignoreLogged(phone.off(true)))
 *   const console = yield* Serial.console(yield* PhoneConsole)
 *   yield* console.expect("login: ", { timeout: "5 minutes" })
 * }).pipe(Effect.scoped, Effect.provide([Phone.layer("phone.power"), PhoneConsole.layer("phone.serial")]))
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_corellium.client.CorelliumClient", {}, {
  driverType: "composite"
})
