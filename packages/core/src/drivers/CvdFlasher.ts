/**
 * The images of a Cuttlefish device: `jumpstarter_driver_cuttlefish` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as family from "./family/flasher.ts"

/**
 * The contract. A target of `flash` is `images`, for a `.zip`, or `host_package`, for a `.tar.gz`; without one, the archive has
 * both. The next device that is created has the images: `CvdPower` deletes and creates it. `dump` fails with
 * `MethodNotImplemented`. Earlier drivers have the label of `Flasher.contract`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { CvdFlasher, CvdPower } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class PhoneImages extends Device.Tag("acme/PhoneImages", CvdFlasher.contract)<PhoneImages>() {}
 * class PhonePower extends Device.Tag("acme/PhonePower", CvdPower.contract)<PhonePower>() {}
 *
 * const install = Effect.gen(function*() {
 *   const images = yield* PhoneImages
 *   const power = yield* PhonePower
 *   yield* images.flash(yield* Resource.fromFile("aosp-img.zip"), "images")
 *   yield* power.off(true)
 *   yield* power.on()
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_cuttlefish.client.CvdFlasherClient", {
  ...family.flashing,
  ...family.dumpingMaybe,
  /** Takes the images from an OCI registry. The address begins with oci://. */
  flash_oci: DriverMethod.call({
    args: DriverMethod.named((url = Schema.String, target = DriverMethod.optional(Schema.String)) => [url, target]),
    optional: true,
    effect: "destructive",
    documentation: "Takes the images from an OCI registry. The address begins with oci://.",
    idempotent: true
  })
}, { driverType: "storage" })

/**
 * The client of such a flasher.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
