/**
 * On-board diagnostics of vehicles through an ELM327 adapter: `jumpstarter_driver_obd`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"

/**
 * How far the connection reaches: to the adapter, to the diagnostic socket, to the running vehicle.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status = Schema.Literal("Not Connected", "ELM Connected", "OBD Connected", "Car Connected")

/**
 * @since 0.1.0
 * @category models
 */
export type Status = typeof Status.Type

/**
 * The contract.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Obd } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Stream } from "effect"
 *
 * class Car extends Device.Tag("acme/Car", Obd.contract)<Car>() {}
 *
 * // such as "1840.0 revolutions_per_minute"
 * const speeds = Stream.unwrap(Effect.map(Car, (car) => Obd.watch(car, "RPM", "200 millis")))
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_obd.client.OBDClient", {
  /** The value of a command such as RPM, with its unit, or null when the vehicle does not answer. */
  query: DriverMethod.call({
    args: DriverMethod.named((command = Schema.String) => [command]),
    result: Schema.NullOr(Schema.String),
    effect: "read",
    documentation: "The value of a command such as RPM, with its unit, or null when the vehicle does not answer.",
    idempotent: true
  }),
  /** Erases the stored trouble codes, and resets the readiness monitors. */
  clear_dtc: DriverMethod.call({
    effect: "destructive",
    documentation: "Erases the stored trouble codes, and resets the readiness monitors.",
    idempotent: true
  }),
  /** How far the connection reaches. */
  status: DriverMethod.call({
    result: Status,
    effect: "read",
    documentation: "How far the connection reaches.",
    idempotent: true
  }),
  /** The commands that the vehicle supports. */
  supported_commands: DriverMethod.call({
    result: Schema.Array(Schema.String),
    effect: "read",
    documentation: "The commands that the vehicle supports.",
    idempotent: true
  }),
  /** Whether a vehicle answers, and not only the adapter. */
  is_connected: DriverMethod.call({
    result: Schema.Boolean,
    effect: "read",
    documentation: "Whether a vehicle answers, and not only the adapter.",
    idempotent: true
  })
}, { driverType: "automotive" })

/**
 * The client of an adapter.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * The values of a command, again and again with a pause. A value is null when the vehicle did not answer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const watch = (
  obd: Pick<Client, "query">,
  command: string,
  pause: Duration.DurationInput
): Stream.Stream<string | null, DriverCallError> => {
  const caller = callers.of()
  return Stream.repeatEffectWithSchedule(callers.on(caller, () => obd.query(command)), Schedule.spaced(pause))
}
