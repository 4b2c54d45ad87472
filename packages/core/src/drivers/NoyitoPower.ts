/**
 * Noyito relay boards: `jumpstarter_driver_noyito_relay`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as family from "./family/power.ts"

/**
 * The state of a relay; `partial` when a driver of all channels finds some of them on and some off.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RelayState = Schema.Literal("on", "off", "partial")

/**
 * @since 0.1.0
 * @category models
 */
export type RelayState = typeof RelayState.Type

/**
 * The contract. The relays cannot measure: `read` fails with `MethodNotImplemented`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { NoyitoPower } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Relay extends Device.Tag("acme/Relay", NoyitoPower.contract)<Relay>() {}
 *
 * const isOn = Effect.gen(function*() {
 *   const relay = yield* Relay
 *   yield* relay.on()
 *   return (yield* relay.status()) === "on"
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_noyito_relay.client.NoyitoPowerClient", {
  ...family.switching,
  ...family.metering,
  /** The state of the relay, as the board reports it. */
  status: DriverMethod.call({
    result: RelayState,
    effect: "read",
    documentation: "The state of the relay, as the board reports it.",
    idempotent: true
  })
}, { driverType: "power" })

/**
 * The client of a relay.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
