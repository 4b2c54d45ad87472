/**
 * STM32 boards, flashed through the USB drive of their ST-LINK: `jumpstarter_driver_stlink_msd` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as family from "./family/flasher.ts"

/**
 * The contract. A target of `flash` is the name of the file on the drive, which ends in `.bin` or `.hex`; `firmware.bin` by
 * default. The driver cannot read the flash memory, so `dump` fails with `MethodNotImplemented`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Stlink } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Nucleo extends Device.Tag("acme/Nucleo", Stlink.contract)<Nucleo>() {}
 *
 * const install = Effect.gen(function*() {
 *   const nucleo = yield* Nucleo
 *   yield* nucleo.flash(yield* Resource.fromFile("zephyr.hex"), "zephyr.hex")
 *   return (yield* nucleo.info())["Version"]
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_stlink_msd.client.StlinkMsdFlasherClient", {
  ...family.flashing,
  ...family.dumpingMaybe,
  /** The lines of the file DETAILS.TXT on the drive, and the directory of the drive as mount_point. */
  info: DriverMethod.call({
    result: Schema.Record({ key: Schema.String, value: Schema.String }),
    effect: "read",
    documentation: "The lines of the file DETAILS.TXT on the drive, and the directory of the drive as mount_point.",
    idempotent: true
  })
}, { driverType: "storage" })

/**
 * The client of an ST-LINK.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
