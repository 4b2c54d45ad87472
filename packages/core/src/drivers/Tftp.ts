/**
 * TFTP servers on the exporter, for devices that boot from the network (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as family from "./family/server.ts"

/**
 * The contract. The served files are in the driver's child `storage`, which implements `Opendal.contract`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Opendal, Tftp } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BootServer extends Device.Tag("acme/BootServer", Tftp.contract)<BootServer>() {}
 * class BootFiles extends Device.Tag("acme/BootFiles", Opendal.contract)<BootFiles>() {}
 *
 * const serve = (kernel: Uint8Array) =>
 *   Effect.gen(function*() {
 *     const server = yield* BootServer
 *     yield* Opendal.writeBytes(yield* BootFiles, "zImage", kernel)
 *     yield* Effect.acquireRelease(server.start(), () => Effect.ignore(server.stop()))
 *     return yield* server.get_host()
 *   })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_tftp.client.TftpServerClient", {
  ...family.running,
  ...family.listening
}, { driverType: "network" })

/**
 * The client of a TFTP server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
