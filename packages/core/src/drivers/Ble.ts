/**
 * Bluetooth Low Energy devices that talk through one characteristic for writing and one that notifies:
 * `jumpstarter_driver_ble`.
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
import * as Console from "./Console.ts"

/**
 * The contract. Each write to the byte stream is one write of the characteristic, and each notification arrives as it was
 * sent. The driver drops notifications when more than 1000 wait. The stream has no half-close: its end disconnects.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Ble } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Sensor extends Device.Tag("acme/Sensor", Ble.contract)<Sensor>() {}
 *
 * const version = Effect.gen(function*() {
 *   const console = yield* Ble.console(yield* Sensor)
 *   yield* console.sendLine("version")
 *   return (yield* console.expect(/v(\S+)/)).groups[0]
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_ble.client.BleWriteNotifyStreamClient", {
  /** Connects to the device. */
  connect: DriverMethod.stream({ documentation: "Connects to the device." }),
  /** The address of the device and the identifiers of its service and characteristics, in words. */
  info: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The address of the device and the identifiers of its service and characteristics, in words.",
    idempotent: true
  })
}, { driverType: "bluetooth" })

/**
 * The client of a Bluetooth device.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * Connects to the device as a console.
 *
 * @since 0.1.0
 * @category constructors
 */
export const console = (
  device: Pick<Client, "connect">,
  options?: Console.ConsoleOptions
): Effect.Effect<Console.Console<DriverCallError>, DriverCallError, Scope.Scope> =>
  Effect.flatMap(
    callers.on(callers.of(), () => device.connect()),
    (stream) => Console.make(stream, options)
  )
