/**
 * Storage muxes that are flashed like a device, such as SDWire and DUTLink (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as family from "./family/storageMux.ts"

/**
 * The contract, which has the methods of `StorageMux.contract`. `StorageMux.write` flashes such a mux, and `StorageMux.read` dumps
 * it. `off` of SDWire connects the storage to the exporter.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { StorageMux, StorageMuxFlasher } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class SdWire extends Device.Tag("acme/SdWire", StorageMuxFlasher.contract)<SdWire>() {}
 *
 * const install = Effect.gen(function*() {
 *   const image = yield* Resource.fromFile("image.raw.xz", { contentEncoding: "xz" })
 *   yield* StorageMux.write(yield* SdWire, image)
 * })
 * ```
 */
export const contract = DriverInterface.make(
  "jumpstarter_driver_opendal.client.StorageMuxFlasherClient",
  family.switching,
  { driverType: "storage" }
)

/**
 * The client of such a mux.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
