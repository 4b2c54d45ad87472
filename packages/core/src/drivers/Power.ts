/**
 * Power supplies and switches: `jumpstarter_driver_power` and compatible drivers (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import { PinState } from "./family/gpio.ts"
import * as family from "./family/power.ts"

export { PowerReading } from "./family/power.ts"

/**
 * The contract. Many drivers with its label cannot measure, and some send readings without end.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Power } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Stream } from "effect"
 *
 * class BoardPower extends Device.Tag("acme/BoardPower", Power.contract)<BoardPower>() {}
 *
 * const idleLoad = Effect.gen(function*() {
 *   const power = yield* BoardPower
 *   yield* Power.cycle(power, { wait: "5 seconds" })
 *   const readings = yield* power.read().pipe(Stream.take(10), Stream.runCollect)
 *   return Array.from(readings, Power.apparentPower)
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_power.client.PowerClient", {
  ...family.switching,
  ...family.metering,
  /** Puts the device into its rescue mode. */
  rescue: DriverMethod.call({ optional: true, documentation: "Puts the device into its rescue mode." }),
  /** Reads the level of the pin that switches the power. */
  read_pin: DriverMethod.call({
    result: PinState,
    optional: true,
    effect: "read",
    documentation: "Reads the level of the pin that switches the power.",
    idempotent: true
  })
}, {
  alsoSpokenBy: [
    "jumpstarter_driver_power.client.VirtualPowerClient",
    "jumpstarter_driver_cuttlefish.client.CvdPowerClient",
    "jumpstarter_driver_noyito_relay.client.NoyitoPowerClient",
    "jumpstarter_driver_ridesx.client.RideSXPowerClient",
    "jumpstarter_driver_snmp.client.SNMPServerClient"
  ],
  driverType: "power"
})

/**
 * The client of a power supply.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface CycleOptions {
  /** How long the device stays off; 2 seconds by default. */
  readonly wait?: Duration.DurationInput | undefined
}

/**
 * Switches a device off, waits, and switches it on. Works for every client with `on` and `off`, such as virtual power
 * and digital outputs. An interruption during the wait leaves the device off.
 *
 * @since 0.1.0
 * @category combinators
 */
export const cycle = (
  power: Pick<Client, "on" | "off">,
  options: CycleOptions = {}
): Effect.Effect<void, DriverCallError> =>
  callers.on(
    callers.of(),
    () => Effect.zipRight(power.off(), Effect.delay(power.on(), options.wait ?? "2 seconds"))
  )

/**
 * The apparent power of a reading, in volt-amperes.
 *
 * @since 0.1.0
 * @category combinators
 */
export const apparentPower = (reading: family.PowerReading): number => reading.voltage * reading.current
