/**
 * Drivers that only group other drivers (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as DriverInterface from "../contract/DriverInterface.ts"

/**
 * The contract. It has no methods: each child of a composite is a driver of its own, found by its path.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Composite, Power } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * // Fails early on an exporter without this board, and lists the drivers that the exporter has.
 * const board = Effect.zipRight(
 *   Device.connect(Composite.contract, "board"),
 *   Device.connect(Power.contract, "board.power")
 * )
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_composite.client.CompositeClient", {}, {
  driverType: "composite"
})
