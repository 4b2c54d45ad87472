/**
 * Storage that can be switched between the exporter and the device under test, such as an SD card (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type * as Resource from "../resource/Resource.ts"
import { bracket } from "./bracket.ts"
import * as family from "./family/storageMux.ts"

/**
 * The contract.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { StorageMux } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class SdCard extends Device.Tag("acme/SdCard", StorageMux.contract)<SdCard>() {}
 *
 * const install = Effect.gen(function*() {
 *   const image = yield* Resource.fromFile("image.raw.xz", { contentEncoding: "xz" })
 *   yield* StorageMux.write(yield* SdCard, image)
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_opendal.client.StorageMuxClient", family.switching, {
  alsoSpokenBy: ["jumpstarter_driver_opendal.client.StorageMuxFlasherClient"],
  driverType: "storage"
})

/**
 * The client of a storage mux.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * Connects the storage to the exporter while an effect runs, and to the device afterwards. The storage returns to the
 * device also when the effect, or connecting the storage to the exporter, fails or is interrupted.
 *
 * @since 0.1.0
 * @category combinators
 */
export const onHost = <A, E, R>(
  mux: Pick<Client, "host" | "dut">,
  use: Effect.Effect<A, E, R>
): Effect.Effect<A, E | DriverCallError, R> => {
  const caller = callers.of()
  return bracket(
    Effect.void,
    () => Effect.zipRight(callers.on(caller, () => mux.host()), use),
    () => callers.on(caller, () => mux.dut())
  )
}

/**
 * Writes to the storage, then connects it to the device, even when writing fails or is interrupted.
 *
 * @since 0.1.0
 * @category combinators
 */
export const write = <E, R>(
  mux: Pick<Client, "host" | "dut" | "write">,
  source: Resource.Source<void, E, R>
): Effect.Effect<void, DriverCallError | E, R> => callers.on(callers.of(), () => onHost(mux, mux.write(source)))

/**
 * Reads the whole storage into a target, and returns the target's result. Afterwards the storage is connected to the
 * device, even when reading fails or is interrupted.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read = <A, E, R>(
  mux: Pick<Client, "host" | "dut" | "read">,
  target: Resource.Sink<A, E, R>
): Effect.Effect<A, DriverCallError | E, R> => callers.on(callers.of(), () => onHost(mux, mux.read(target)))
