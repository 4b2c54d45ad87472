/**
 * The power of a RideSX board, switched over its serial port: `jumpstarter_driver_ridesx` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as family from "./family/power.ts"

/**
 * The contract. The driver cannot measure, and has no rescue mode: `rescue` fails with `MethodNotImplemented`. A program that
 * only switches the power can use `Power.contract`, which this driver fulfils as well.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { RideSxPower } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardPower extends Device.Tag("acme/BoardPower", RideSxPower.contract)<BoardPower>() {}
 *
 * const restart = Effect.flatMap(BoardPower, (power) => power.cycle(5))
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_ridesx.client.RideSXPowerClient", {
  ...family.switching,
  /** Switches the board off, waits, and switches it on. The wait is in seconds; 2 by default. */
  cycle: DriverMethod.call({
    args: DriverMethod.named((delay = DriverMethod.optional(Schema.NonNegative, { fallback: 2 })) => [delay]),
    documentation: "Switches the board off, waits, and switches it on. The wait is in seconds; 2 by default.",
    idempotent: true
  }),
  /** Not available on this board. */
  rescue: DriverMethod.call({ optional: true, documentation: "Not available on this board." })
}, { driverType: "power" })

/**
 * The client of a board's power.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
