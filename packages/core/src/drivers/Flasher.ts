/**
 * Drivers that write firmware to a device and read it back (`protocol.md` 14.1 and 6.5).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type { ContentEncodingError } from "../resource/ContentEncoding.ts"
import * as hash from "../resource/hash.ts"
import * as Resource from "../resource/Resource.ts"
import * as family from "./family/flasher.ts"

/**
 * The contract. A target is a partition or a memory of the device; a driver with a single target takes none.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, ProgressBar, Resource } from "@effect-jumpstarter/core"
 * import { Flasher } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}
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
  ...family.flashing,
  ...family.dumpingMaybe
}, {
  alsoSpokenBy: [
    "jumpstarter.client.flasher.FlasherClient",
    "jumpstarter_driver_cuttlefish.client.CvdFlasherClient",
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
 * Writes several images, each to its target, one after the other in the given order. Stops at the first failure.
 *
 * @since 0.1.0
 * @category combinators
 */
export const flashAll = <E, R>(
  flasher: Pick<Client, "flash">,
  images: Iterable<readonly [target: string, source: Resource.Source<void, E, R>]>
): Effect.Effect<void, DriverCallError | E, R> => {
  const caller = callers.of()
  return Effect.forEach(images, ([target, source]) => callers.on(caller, () => flasher.flash(source, target)), {
    discard: true
  })
}

/**
 * The content of the device differs from the image.
 *
 * @since 0.1.0
 * @category errors
 */
export class HashMismatch extends Schema.TaggedError<HashMismatch>(
  "@effect-jumpstarter/core/drivers/Flasher/HashMismatch"
)("FlasherHashMismatch", {
  target: Schema.optional(Schema.String),
  /** The SHA-256 of the image. */
  expected: Schema.String,
  /** The SHA-256 of the same number of bytes read from the device. */
  actual: Schema.String
}) {
  override get message(): string {
    const target = this.target === undefined ? "the device" : JSON.stringify(this.target)
    return `the content of ${target} differs from the image: its SHA-256 is ${this.actual}, expected ${this.expected}`
  }
}

/**
 * An image has no bytes, so a comparison with any device would succeed. Most likely the build of the image failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class EmptyImage extends Schema.TaggedError<EmptyImage>(
  "@effect-jumpstarter/core/drivers/Flasher/EmptyImage"
)("EmptyImage", { target: Schema.optional(Schema.String) }) {
  override get message(): string {
    const target = this.target === undefined ? "the device" : JSON.stringify(this.target)
    return `the image for ${target} is empty, so there is nothing to verify; check the build of the image`
  }
}

/**
 * Reads a target and compares its SHA-256 with the SHA-256 of an image, after decoding an encoded image. A partition is
 * usually larger than its image, so only the first bytes are compared, as many as the image has. `ProgressBar.show` and
 * `Resource.withIdleTimeout` on the image apply to the dump, as they do to `flash`.
 *
 * Computing the hash reads the image a second time after a flash, so the image must be readable more than once, such as
 * a file. Fails with `EmptyImage` for an image without bytes.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Flasher } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}
 *
 * const install = Effect.gen(function*() {
 *   const flasher = yield* BoardFlasher
 *   const image = yield* Resource.fromFile("rootfs.img.zst", { contentEncoding: "zstd" })
 *   yield* flasher.flash(image, "root")
 *   yield* Flasher.verify(flasher, image, "root")
 * })
 * ```
 */
export const verify = <E, R>(
  flasher: Pick<Client, "dump">,
  image: Resource.Source<void, E, R>,
  target?: string
): Effect.Effect<void, DriverCallError | ContentEncodingError | EmptyImage | HashMismatch | E, R> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const expected = yield* hash.ofSource(image)
    if (expected.size === 0) return yield* callers.blame(new EmptyImage({ target }), { caller })
    const dump = Resource.withProgress(Resource.sink(hash.sha256(expected.size)), image.observe)
    const actual = yield* callers.on(caller, () => flasher.dump(dump, target))
    if (actual.sha256 !== expected.sha256) {
      return yield* callers.blame(
        new HashMismatch({ target, expected: expected.sha256, actual: actual.sha256 }),
        { caller }
      )
    }
  })
}
