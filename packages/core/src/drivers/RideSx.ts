/**
 * RideSX boards, flashed with fastboot: `jumpstarter_driver_ridesx` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type { ContentEncodingError } from "../resource/ContentEncoding.ts"
import type * as Resource from "../resource/Resource.ts"
import * as Opendal from "./Opendal.ts"

/**
 * What the search for a board in fastboot mode found.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Detection = Schema.Union(
  Schema.Struct({ status: Schema.Literal("device_found"), device_id: Schema.String }),
  Schema.Struct({ status: Schema.Literal("no_device_found"), device_id: Schema.Null })
)

/**
 * @since 0.1.0
 * @category models
 */
export type Detection = typeof Detection.Type

const optionalText = DriverMethod.optional(Schema.String)
const Partitions = Schema.Record({ key: Schema.String, value: Schema.String })

/**
 * The contract. The driver's child `storage`, which implements `Opendal.contract`, has the files that are flashed, and `serial`,
 * which implements `Serial.contract`, is the board's control port. `flash`, `flashOci` and `erase` do all the steps.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Opendal, RideSx } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * const install = Effect.gen(function*() {
 *   const board = yield* Device.connectAll({
 *     board: [RideSx.contract, "board.storage"],
 *     storage: [Opendal.contract, "board.storage.storage"]
 *   })
 *   yield* RideSx.flash(board, {
 *     boot_a: { name: "boot.img", image: yield* Resource.fromFile("boot.img") },
 *     system_a: { name: "rootfs.simg.xz", image: yield* Resource.fromFile("rootfs.simg.xz") }
 *   })
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_ridesx.client.RideSXClient", {
  /** Restarts the board into its fastboot mode. */
  boot_to_fastboot: DriverMethod.call({
    documentation: "Restarts the board into its fastboot mode.",
    idempotent: true
  }),
  /** Looks for a board in fastboot mode, several times with a delay in seconds. */
  detect_fastboot_device: DriverMethod.call({
    args: DriverMethod.named((
      attempts = DriverMethod.optional(Schema.Int, { fallback: 5 }),
      delay = DriverMethod.optional(Schema.NonNegative, { fallback: 2 })
    ) => [attempts, delay]),
    result: Detection,
    effect: "read",
    documentation: "Looks for a board in fastboot mode, several times with a delay in seconds.",
    idempotent: true
  }),
  /** Writes files of the storage, each to its partition, and starts the board. Files that end in .gz and .xz are decompressed. */
  flash_with_fastboot: DriverMethod.call({
    args: DriverMethod.named((device = Schema.String, files = Partitions) => [device, files]),
    effect: "destructive",
    documentation:
      "Writes files of the storage, each to its partition, and starts the board. Files that end in .gz and .xz are decompressed."
  }),
  /** Writes an image of an OCI registry; the partitions are by default those that the image names. The address begins with oci://. */
  flash_oci_image: DriverMethod.call({
    args: DriverMethod.named((
      url = Schema.String,
      files = DriverMethod.optional(Partitions),
      username = optionalText,
      password = optionalText
    ) => [url, files, username, password]),
    result: Schema.Struct({ status: Schema.Literal("success"), output: Schema.String }),
    effect: "destructive",
    documentation:
      "Writes an image of an OCI registry; the partitions are by default those that the image names. The address begins with oci://."
  }),
  /** Erases a partition of a board in fastboot mode. */
  erase_partition: DriverMethod.call({
    args: DriverMethod.named((device = Schema.String, partition = Schema.NonEmptyString) => [device, partition]),
    result: Schema.Struct({ status: Schema.Literal("success"), partition: Schema.String, output: Schema.String }),
    effect: "destructive",
    documentation: "Erases a partition of a board in fastboot mode.",
    idempotent: true
  })
}, { driverType: "storage" })

/**
 * The client of a board.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * The board did not appear in fastboot mode.
 *
 * @since 0.1.0
 * @category errors
 */
export class NoFastbootDevice extends Schema.TaggedError<NoFastbootDevice>(
  "@effect-jumpstarter/core/drivers/RideSx/NoFastbootDevice"
)("NoFastbootDevice", { attempts: Schema.Number, delay: Schema.Duration }) {
  override get message(): string {
    return `fastboot on the exporter found no board in ${this.attempts} attempts, one every ${
      Duration.format(this.delay)
    }; check the board's USB cable and its power`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DetectOptions {
  /** How often to look for the board in fastboot mode; 5 times by default. */
  readonly attempts?: number | undefined
  /** The time between two attempts; 2 seconds by default. */
  readonly delay?: Duration.DurationInput | undefined
}

type Detecting = Pick<Client, "boot_to_fastboot" | "detect_fastboot_device">

const detect = (
  board: Detecting,
  { attempts = 5, delay = "2 seconds" }: DetectOptions,
  caller: callers.Caller | undefined
) =>
  Effect.gen(function*() {
    yield* callers.on(caller, () => board.boot_to_fastboot())
    const found = yield* callers.on(caller, () => board.detect_fastboot_device(attempts, Duration.toSeconds(delay)))
    if (found.status === "device_found") return found.device_id
    return yield* callers.blame(new NoFastbootDevice({ attempts, delay: Duration.decode(delay) }), { caller })
  })

/**
 * An image, and the name of its file on the exporter. The ending of the name, such as `.xz`, says how it is compressed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Image<E, R> {
  readonly name: string
  readonly image: Resource.Source<void, E, R>
}

/**
 * Uploads images, restarts the board into fastboot mode, and writes each image to its partition. An image that the exporter has
 * already is not sent again, for which it is read twice, so it must be readable more than once, such as a file.
 *
 * @since 0.1.0
 * @category combinators
 */
export const flash = <E, R>(
  { board, storage }: {
    readonly board: Detecting & Pick<Client, "flash_with_fastboot">
    readonly storage: Pick<Opendal.Client, "open" | "file_write" | "file_close" | "exists" | "hash">
  },
  images: Readonly<Record<string, Image<E, R>>>,
  options: DetectOptions = {}
): Effect.Effect<void, DriverCallError | ContentEncodingError | Opendal.HashMismatch | NoFastbootDevice | E, R> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    for (const { image, name } of Object.values(images)) {
      yield* callers.on(caller, () => Opendal.upload(storage, name, image))
    }
    const device = yield* detect(board, options, caller)
    const files = Object.fromEntries(Object.entries(images).map(([partition, { name }]) => [partition, name]))
    yield* callers.on(caller, () => board.flash_with_fastboot(device, files))
  })
}

/**
 * @since 0.1.0
 * @category models
 */
export interface FlashOciOptions extends DetectOptions {
  /** The file of the image for each partition. By default, the image says. */
  readonly files?: Readonly<Record<string, string>> | undefined
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted | undefined
}

/**
 * Restarts the board into fastboot mode, writes an image of an OCI registry, and returns what the program on the exporter printed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const flashOci = (
  board: Detecting & Pick<Client, "flash_oci_image">,
  url: string,
  { files, password, username, ...options }: FlashOciOptions = {}
): Effect.Effect<string, DriverCallError | NoFastbootDevice> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    yield* detect(board, options, caller)
    const secret = password === undefined ? undefined : Redacted.value(password)
    return (yield* callers.on(caller, () => board.flash_oci_image(url, files, username, secret))).output
  })
}

/**
 * Restarts the board into fastboot mode, and erases a partition.
 *
 * @since 0.1.0
 * @category combinators
 */
export const erase = (
  board: Detecting & Pick<Client, "erase_partition">,
  partition: string,
  options: DetectOptions = {}
): Effect.Effect<void, DriverCallError | NoFastbootDevice> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const device = yield* detect(board, options, caller)
    yield* callers.on(caller, () => board.erase_partition(device, partition))
  })
}
