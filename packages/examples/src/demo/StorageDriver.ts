/** The board's storage: partitions that are files, slow to write as flash memory is, as the embedded exporter hosts it. */
import { Driver, DriverFailure } from "@effect-jumpstarter/core"
import type { JsonValue } from "@effect-jumpstarter/core/ProtobufValue"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Image from "./Image.ts"

const partitions = ["rootfs", "data"]

// How fast it writes.
const bytesPerMilli = 20_000

const deviceFailure = (error: PlatformError.PlatformError) => DriverFailure.make("Device", error.message, error)

export const make = (directory: string) =>
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const path = yield* Path.Path

    const fileOf = (partition: JsonValue | undefined = "rootfs") =>
      typeof partition === "string" && partitions.includes(partition)
        ? Effect.succeed(path.join(directory, `${partition}.img`))
        : DriverFailure.make(
          "InvalidArgument",
          `no partition ${JSON.stringify(partition)}, but ${partitions.join(", ")}`
        )

    const bytesOf = (file: string, options?: FileSystem.StreamOptions) =>
      Stream.mapError(fileSystem.stream(file, options), deviceFailure)

    return Driver.make({
      client: "jumpstarter_driver_opendal.client.FlasherClient",
      driverType: "storage",
      description: `eMMC with partitions ${partitions.join(" and ")}`,
      methods: {
        flash: Driver.call(([source, partition], { resource }) =>
          Effect.gen(function*() {
            const file = yield* fileOf(partition)
            const { read } = yield* resource(source)
            yield* Effect.log(`writing ${String(partition)}`)
            yield* read.pipe(
              Stream.tap((bytes) => Effect.sleep(bytes.length / bytesPerMilli)),
              Stream.run(fileSystem.sink(file)),
              Effect.mapError((error) => error._tag === "DriverFailure" ? error : deviceFailure(error))
            )
            const { size } = yield* Effect.mapError(fileSystem.stat(file), deviceFailure)
            yield* Effect.log(`wrote ${(Number(size) / 1e6).toFixed(1)} MB to ${String(partition)}`)
          }).pipe(Effect.scoped)
        ),
        dump: Driver.call(([target, partition, offset, size], { resource }) =>
          Effect.gen(function*() {
            const file = yield* fileOf(partition)
            const { write } = yield* resource(target)
            yield* write(bytesOf(file, { offset: Number(offset ?? 0), bytesToRead: Number(size ?? Infinity) }))
          }).pipe(Effect.scoped)
        ),
        hash: Driver.call(([partition]) =>
          Effect.flatMap(fileOf(partition), (file) => Stream.run(bytesOf(file), Image.sha256))
        ),
        erase: Driver.call(([partition]) =>
          partition === "bootloader"
            ? DriverFailure.make("Device", "partition bootloader is write-protected")
            : Effect.flatMap(fileOf(partition), (file) => Effect.mapError(fileSystem.remove(file), deviceFailure))
        )
      }
    })
  })
