/**
 * Raspberry Pi Pico boards, flashed through their USB drive: `jumpstarter_driver_pi_pico` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as family from "./family/flasher.ts"

/**
 * The contract. A target of `flash` is the name of the file on the board's drive; `Firmware.uf2` by default. The driver
 * cannot read the flash memory, so `dump` fails with `MethodNotImplemented`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { PiPico } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Pico extends Device.Tag("acme/Pico", PiPico.contract)<Pico>() {}
 *
 * const install = Effect.gen(function*() {
 *   const pico = yield* Pico
 *   yield* pico.enter_bootloader()
 *   const { Model } = yield* pico.bootloader_info()
 *   yield* pico.flash(yield* Resource.fromFile("blink.uf2"))
 *   return Model
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_pi_pico.client.PiPicoClient", {
  ...family.flashing,
  ...family.dumpingMaybe,
  /** Starts the boot loader, which shows the board as a USB drive: through pins, or through the serial port. */
  enter_bootloader: DriverMethod.call({
    documentation:
      "Starts the boot loader, which shows the board as a USB drive: through pins, or through the serial port.",
    idempotent: true
  }),
  /** The lines of the file INFO_UF2.TXT on the board's drive, such as Model and Board-ID; empty without the file. */
  bootloader_info: DriverMethod.call({
    result: Schema.Record({ key: Schema.String, value: Schema.String }),
    effect: "read",
    documentation:
      "The lines of the file INFO_UF2.TXT on the board's drive, such as Model and Board-ID; empty without the file.",
    idempotent: true
  })
}, { driverType: "storage" })

/**
 * The client of a Pico.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
