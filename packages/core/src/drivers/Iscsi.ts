/**
 * iSCSI servers on the exporter, for devices that boot from the network: `jumpstarter_driver_iscsi` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type { ContentEncodingError } from "../resource/ContentEncoding.ts"
import type * as Resource from "../resource/Resource.ts"
import { held } from "./bracket.ts"
import * as family from "./family/server.ts"
import * as Opendal from "./Opendal.ts"

/**
 * A disk that the server offers.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Lun = Schema.Struct({
  name: Schema.String,
  path: Schema.String,
  /** In bytes. */
  size: Schema.Number,
  /** The number by which a device addresses the disk. */
  lun_id: Schema.Int,
  is_block: Schema.Boolean
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Lun extends Schema.Schema.Type<typeof Lun> {}

/**
 * The contract. The files of the disks are in the driver's child `storage`, which implements `Opendal.contract`. `add_lun`
 * takes a size in MiB, or 0 for the size of the file. It makes a file that is missing, extends one that is shorter, and replaces a disk
 * of the same name.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Iscsi, Opendal } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Disks extends Device.Tag("acme/Disks", Iscsi.contract)<Disks>() {}
 * class DiskFiles extends Device.Tag("acme/DiskFiles", Opendal.contract)<DiskFiles>() {}
 *
 * // The disk is there until the scope closes.
 * const serve = Effect.gen(function*() {
 *   const image = yield* Resource.fromFile("rootfs.img")
 *   const { iqn, host, port } = yield* Iscsi.serve({ iscsi: yield* Disks, storage: yield* DiskFiles }, "rootfs", image)
 *   return `iscsi:${host}::${port}::${iqn}`
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_iscsi.client.ISCSIServerClient", {
  ...family.running,
  ...family.listening,
  /** The name of the server, such as iqn.2024-06.dev.jumpstarter:target1. */
  get_target_iqn: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The name of the server, such as iqn.2024-06.dev.jumpstarter:target1.",
    idempotent: true
  }),
  /** Offers a file of the storage, or a block device that the exporter allows, as a disk, and returns its name. */
  add_lun: DriverMethod.call({
    args: DriverMethod.named((
      name = Schema.String,
      path = Schema.String,
      sizeMiB = DriverMethod.optional(Schema.Int, { fallback: 0 }),
      isBlock = DriverMethod.optional(Schema.Boolean, { fallback: false })
    ) => [name, path, sizeMiB, isBlock]),
    result: Schema.String,
    documentation:
      "Offers a file of the storage, or a block device that the exporter allows, as a disk, and returns its name.",
    idempotent: true
  }),
  /** Removes a disk. Its file stays. */
  remove_lun: DriverMethod.call({
    args: DriverMethod.named((name = Schema.String) => [name]),
    documentation: "Removes a disk. Its file stays."
  }),
  /** The disks that the server offers. */
  list_luns: DriverMethod.call({
    result: Schema.Array(Lun),
    effect: "read",
    documentation: "The disks that the server offers.",
    idempotent: true
  }),
  /** Removes all disks of the server, also those of earlier sessions. Their files stay. */
  clear_all_luns: DriverMethod.call({
    documentation: "Removes all disks of the server, also those of earlier sessions. Their files stay.",
    idempotent: true
  }),
  /** Decompresses a file of the storage into another one, which it overwrites. */
  decompress: DriverMethod.call({
    args: DriverMethod.named((from = Schema.String, to = Schema.String, format = Schema.Literal("gz", "xz", "bz2")) => [
      from,
      to,
      format
    ]),
    effect: "destructive",
    documentation: "Decompresses a file of the storage into another one, which it overwrites.",
    idempotent: true
  })
}, { driverType: "storage" })

/**
 * The client of an iSCSI server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * Where a device finds a disk.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  readonly host: string
  readonly port: number
  readonly iqn: string
}

/**
 * Uploads an image and offers it as a disk until the scope closes. An image that the storage has already is not sent again, for
 * which it is read twice, so it must be readable more than once, such as a file. The server is started, and runs on afterwards.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = <E, R>(
  server: {
    readonly iscsi: Pick<Client, "start" | "add_lun" | "remove_lun" | "get_host" | "get_port" | "get_target_iqn">
    readonly storage: Pick<Opendal.Client, "open" | "file_write" | "file_close" | "exists" | "hash">
  },
  name: string,
  image: Resource.Source<void, E, R>,
  options: { readonly sizeMiB?: number | undefined } = {}
): Effect.Effect<Target, DriverCallError | ContentEncodingError | Opendal.HashMismatch | E, R | Scope.Scope> => {
  const caller = callers.of()
  const { iscsi, storage } = server
  const path = `${name}.img`
  return Effect.gen(function*() {
    yield* callers.on(caller, () => iscsi.start())
    yield* callers.on(caller, () => Opendal.upload(storage, path, image))
    yield* held(
      "a disk of an iSCSI server",
      callers.on(caller, () => iscsi.add_lun(name, path, options.sizeMiB)),
      () => callers.on(caller, () => iscsi.remove_lun(name)),
      "1 minute"
    )
    return {
      host: yield* callers.on(caller, () => iscsi.get_host()),
      port: yield* callers.on(caller, () => iscsi.get_port()),
      iqn: yield* callers.on(caller, () => iscsi.get_target_iqn())
    }
  })
}
