/**
 * Drivers that write firmware to a device and read it back (`protocol.md` 14.1 and 6.5).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { DriverCallError } from "../DriverError.ts"
import * as DriverInterface from "../DriverInterface.ts"
import * as DriverMethod from "../DriverMethod.ts"
import * as lending from "../internal/lending.ts"
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
 *   const image = yield* Resource.fromFile("rootfs.img.zst", { contentEncoding: "zstd" })
 *   yield* Flasher.flash(yield* BoardFlasher, image, {
 *     target: "root",
 *     progress: (progress) => ProgressBar.run(progress, { label: "root" })
 *   })
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_opendal.client.FlasherClient", {
  flash: DriverMethod.call({ args: [DriverMethod.resource, target], documentation: "Writes an image to a target." }),
  dump: DriverMethod.call({ args: [DriverMethod.resource, target], documentation: "Reads a target back." })
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
export type Client = DriverInterface.ClientMethods<typeof contract>

/**
 * @since 0.1.0
 * @category models
 */
export interface FlashOptions<R = never> {
  /** The partition or memory; the driver's default unless given. */
  readonly target?: string | undefined
  /** Is given the progress of the transfer, and waited for; `ProgressBar.run` shows it. */
  readonly progress?:
    | ((progress: Stream.Stream<Resource.TransferProgress>) => Effect.Effect<void, never, R>)
    | undefined
}

/**
 * Writes an image to a target. It succeeds only when the driver did.
 *
 * @since 0.1.0
 * @category combinators
 */
export const flash = <E, R, RP = never>(
  flasher: Pick<Client, "flash">,
  source: Resource.Source<void, E, R>,
  options: FlashOptions<RP> = {}
): Effect.Effect<void, DriverCallError | E, R | RP> =>
  lending.observed(
    options.progress,
    source.size,
    (count) => flasher.flash({ ...source, stream: Stream.tap(source.stream, count) }, options.target)
  )

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
  Effect.forEach(images, ([target, source]) => flash(flasher, source, { target }), { discard: true })

/**
 * Reads a target back, and answers what was made of the bytes.
 *
 * @since 0.1.0
 * @category combinators
 */
export const dump = <A, E, R, RP = never>(
  flasher: Pick<Client, "dump">,
  into: Resource.Target<A, E, R>,
  options: FlashOptions<RP> = {}
): Effect.Effect<A, DriverCallError | E, R | RP> =>
  lending.observed(
    options.progress,
    Option.none(),
    (count) =>
      lending.received(
        { ...into, sink: Sink.mapInputEffect(into.sink, (chunk: Uint8Array) => Effect.as(count(chunk), chunk)) },
        (target) => flasher.dump(target, options.target)
      )
  )
