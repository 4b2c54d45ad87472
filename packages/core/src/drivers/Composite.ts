/**
 * Drivers that only group others (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as DriverInterface from "../contract/DriverInterface.ts"

/**
 * The contract, which has no methods: a composite's children are drivers of their own, found by their paths.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Composite, Power } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * // Fails early, with the list of what is there, on an exporter that has no such board.
 * const board = Effect.zipRight(
 *   Device.connect(Composite.contract, "board"),
 *   Device.connect(Power.contract, "board.power")
 * )
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_composite.client.CompositeClient", {}, {
  driverType: "composite"
})
