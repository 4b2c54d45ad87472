/**
 * Drivers that write firmware to a device and read it back (`protocol.md` 14.1 and 6.5).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DriverCallError } from "../DriverError.ts"
import * as DriverInterface from "../DriverInterface.ts"
import * as DriverMethod from "../DriverMethod.ts"
import type * as Resource from "../Resource.ts"

const target = DriverMethod.optional(Schema.String)

/**
 * The contract. A target is a partition or a memory of the device; a driver that has only one takes none.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, ProgressBar, Resource } from "@effect-jumpstarter/core"
 * import { Flasher } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardFlasher extends Device.Tag("BoardFlasher", Flasher.contract)<BoardFlasher>() {}
 *
 * const install = Effect.gen(function*() {
 *   const flasher = yield* BoardFlasher
 *   const image = yield* Resource.fromFile("rootfs.img.zst", { contentEncoding: "zstd" })
 *   yield* flasher.flash(ProgressBar.show(image, { label: "root" }), "root")
 *   yield* flasher.dump(yield* Resource.toFile("config.img"), "config")
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_opendal.client.FlasherClient", {
  flash: DriverMethod.call({ args: [DriverMethod.source, target], documentation: "Writes an image to a target." }),
  dump: DriverMethod.call({ args: [DriverMethod.sink, target], documentation: "Reads a target back." })
}, {
  alsoSpokenBy: [
    "jumpstarter.client.flasher.FlasherClient",
    "jumpstarter_driver_esp32.client.Esp32FlasherClient",
    "jumpstarter_driver_pi_pico.client.PiPicoClient",
    "jumpstarter_driver_qemu.client.QemuFlasherClient",
    "jumpstarter_driver_stlink_msd.client.StlinkMsdFlasherClient"
  ],
  driverType: "storage"
})

/**
 * The client of a flasher.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * Writes several images, one after the other in the order given, each to the target it stands with. The first failure
 * ends it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const flashAll = <E, R>(
  flasher: Pick<Client, "flash">,
  images: Iterable<readonly [target: string, source: Resource.Source<void, E, R>]>
): Effect.Effect<void, DriverCallError | E, R> =>
  Effect.forEach(images, ([target, source]) => flasher.flash(source, target), { discard: true })
