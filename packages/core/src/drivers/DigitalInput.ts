/**
 * Input pins (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as family from "./family/gpio.ts"

/**
 * The edge of a signal.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Edge = Schema.Literal("rising", "falling")

/**
 * @since 0.1.0
 * @category models
 */
export type Edge = typeof Edge.Type

const optionalSeconds = DriverMethod.optional(Schema.Number)

/**
 * The contract. Its timeouts are in seconds; `waitForActive`, `waitForInactive` and `waitForEdge` take any duration.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { DigitalInput } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class ReadyPin extends Device.Tag("acme/ReadyPin", DigitalInput.contract)<ReadyPin>() {}
 *
 * const booted = Effect.flatMap(ReadyPin, (pin) => DigitalInput.waitForActive(pin, { timeout: "30 seconds" }))
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_gpiod.client.DigitalInputClient", {
  ...family.reading,
  /** Waits until the pin is active. */
  wait_for_active: DriverMethod.call({
    args: DriverMethod.named((timeout = optionalSeconds) => [timeout]),
    effect: "read",
    documentation: "Waits until the pin is active.",
    idempotent: true
  }),
  /** Waits until the pin is inactive. */
  wait_for_inactive: DriverMethod.call({
    args: DriverMethod.named((timeout = optionalSeconds) => [timeout]),
    effect: "read",
    documentation: "Waits until the pin is inactive.",
    idempotent: true
  }),
  /** Waits for the signal to rise or fall. */
  wait_for_edge: DriverMethod.call({
    args: DriverMethod.named((edge = Edge, timeout = optionalSeconds) => [edge, timeout]),
    effect: "read",
    documentation: "Waits for the signal to rise or fall."
  })
}, { driverType: "gpio" })

/**
 * The client of an input pin.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface WaitOptions {
  /**
   * How long the driver waits before the call fails with a `DriverError` of code `DEADLINE_EXCEEDED`; without limit by
   * default, and with 0. `Effect.timeout` only ends the call: a driver in Python keeps waiting in its thread.
   */
  readonly timeout?: Duration.DurationInput | undefined
}

// JSON has no infinity, and without a number the driver waits without limit.
const seconds = ({ timeout = Duration.infinity }: WaitOptions): number | undefined => {
  const seconds = Duration.toSeconds(timeout)
  return Number.isFinite(seconds) ? seconds : undefined
}

/**
 * Waits until a pin is active. Returns at once if the pin is active already.
 *
 * @since 0.1.0
 * @category combinators
 */
export const waitForActive = (
  pin: Pick<Client, "wait_for_active">,
  options: WaitOptions = {}
): Effect.Effect<void, DriverCallError> => callers.on(callers.of(), () => pin.wait_for_active(seconds(options)))

/**
 * Waits until a pin is inactive. Returns at once if the pin is inactive already.
 *
 * @since 0.1.0
 * @category combinators
 */
export const waitForInactive = (
  pin: Pick<Client, "wait_for_inactive">,
  options: WaitOptions = {}
): Effect.Effect<void, DriverCallError> => callers.on(callers.of(), () => pin.wait_for_inactive(seconds(options)))

/**
 * Waits for the signal to rise or fall.
 *
 * @since 0.1.0
 * @category combinators
 */
export const waitForEdge = (
  pin: Pick<Client, "wait_for_edge">,
  edge: Edge,
  options: WaitOptions = {}
): Effect.Effect<void, DriverCallError> => callers.on(callers.of(), () => pin.wait_for_edge(edge, seconds(options)))
