/**
 * ESP32 boards on a serial port: `jumpstarter_driver_esp32` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as family from "./family/flasher.ts"

/**
 * What the chip reports about itself.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ChipInfo = Schema.Struct({
  /** The chip and its revision, such as `ESP32-D0WD-V3 (revision v3.1)`. */
  chip: Schema.String,
  /** The features, separated by commas. */
  features: Schema.String,
  /** The MAC address, such as `24:6f:28:0a:0b:0c`. */
  mac: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ChipInfo extends Schema.Schema.Type<typeof ChipInfo> {}

/**
 * The contract. A target of `flash` is an address, such as `0x10000`; 0 by default. One of `dump` is an address, or an
 * address and a size, such as `0x9000:0x6000`; by default it is the first 4 MiB. All methods but `hard_reset` and
 * `enter_bootloader` take over the serial port, also while another client has it open. They reset the chip at the end, except
 * `get_chip_info`, which leaves it in its boot loader.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Esp32Flasher } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Sensor extends Device.Tag("acme/Sensor", Esp32Flasher.contract)<Sensor>() {}
 *
 * const install = Effect.gen(function*() {
 *   const sensor = yield* Sensor
 *   const { mac } = yield* sensor.get_chip_info()
 *   yield* sensor.flash(yield* Resource.fromFile("firmware.bin"), "0x10000")
 *   return mac
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_esp32.client.Esp32FlasherClient", {
  ...family.flashing,
  ...family.dumping,
  /** Asks the chip for its name, its features and its MAC address. */
  get_chip_info: DriverMethod.call({
    result: ChipInfo,
    documentation: "Asks the chip for its name, its features and its MAC address.",
    idempotent: true
  }),
  /** Erases the whole flash memory. */
  erase: DriverMethod.call({
    effect: "destructive",
    documentation: "Erases the whole flash memory.",
    idempotent: true
  }),
  /** Resets the chip through the lines of the serial port. */
  hard_reset: DriverMethod.call({
    documentation: "Resets the chip through the lines of the serial port.",
    idempotent: true
  }),
  /** Resets the chip into its boot loader through the lines of the serial port. */
  enter_bootloader: DriverMethod.call({
    documentation: "Resets the chip into its boot loader through the lines of the serial port.",
    idempotent: true
  })
}, { driverType: "storage" })

/**
 * The client of an ESP32.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
