/**
 * A fake pin, with an output, an input and a power switch on it.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as DigitalInput from "../drivers/DigitalInput.ts"
import * as DigitalOutput from "../drivers/DigitalOutput.ts"
import * as Power from "../drivers/Power.ts"
import * as Driver from "../host/Driver.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"
import * as interruptible from "../util/interruptible.ts"

/**
 * The drivers of the pin, with the state that a test can observe and change.
 *
 * @since 0.1.0
 * @category testing
 */
export interface GpioTest {
  /** A driver of `DigitalOutput.contract`. */
  readonly output: Driver.Driver
  /** A driver of `DigitalInput.contract`. */
  readonly input: Driver.Driver
  /** A driver of `Power.contract` that switches the pin, and cannot measure. */
  readonly power: Driver.Driver
  readonly level: Effect.Effect<DigitalOutput.PinState>
  /** Sets the level, as the device at the pin would. */
  readonly set: (level: DigitalOutput.PinState) => Effect.Effect<void>
  /** Every level that the pin has had, in order; the first one is 0. */
  readonly levels: Effect.Effect<ReadonlyArray<DigitalOutput.PinState>>
  /** The number of calls that wait for the pin. */
  readonly waiting: Effect.Effect<number>
}

/**
 * Makes a pin that is inactive. Its drivers are connected with each other: the input sees what the output does. Timeouts follow
 * Effect's clock.
 *
 * @since 0.1.0
 * @category testing
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { DigitalInput } from "@effect-jumpstarter/core/drivers"
 * import { ExporterTest, GpioTest } from "@effect-jumpstarter/core/testing"
 * import { Effect } from "effect"
 *
 * class ReadyPin extends Device.Tag("acme/ReadyPin", DigitalInput.contract)<ReadyPin>() {}
 *
 * const test = Effect.gen(function*() {
 *   const pin = yield* GpioTest.make()
 *   yield* pin.set(1)
 *   yield* Effect.flatMap(ReadyPin, (ready) => DigitalInput.waitForActive(ready)).pipe(
 *     Effect.provide(ReadyPin.layer("ready")),
 *     Effect.provide(ExporterTest.layer({ ready: pin.input }))
 *   )
 * })
 * ```
 */
export const make = (): Effect.Effect<GpioTest> =>
  Effect.sync(() => {
    const levels: Array<DigitalOutput.PinState> = [0]
    const waiting = new Set<{ readonly level: DigitalOutput.PinState; readonly reached: Deferred.Deferred<void> }>()
    const level = () => levels.at(-1) ?? 0

    const set = (next: DigitalOutput.PinState) =>
      Effect.sync(() => {
        if (next === level()) return
        levels.push(next)
        for (const { level, reached } of waiting) if (level === next) Deferred.unsafeDone(reached, Effect.void)
      })
    // Waits until the pin changes to a level.
    const change = (next: DigitalOutput.PinState, timeout: number | undefined) => {
      const wait = Effect.acquireUseRelease(
        Effect.map(Deferred.make<void>(), (reached) => {
          const waiter = { level: next, reached }
          waiting.add(waiter)
          return waiter
        }),
        ({ reached }) => Deferred.await(reached),
        (waiter) => Effect.sync(() => waiting.delete(waiter))
      )
      // Without a timeout, and with 0, the driver waits without limit.
      return timeout === undefined || timeout === 0 ? wait : interruptible.timeoutFail(wait, {
        duration: Duration.seconds(timeout),
        onTimeout: () => DriverFailure.make("Timeout", "Timed out waiting for line 0 edge event")
      })
    }
    const state = (next: DigitalOutput.PinState, timeout: number | undefined) =>
      Effect.suspend(() => level() === next ? Effect.void : change(next, timeout))
    const read_pin = () => Effect.sync(level)
    const on = () => set(1)
    const off = () => set(0)

    return {
      output: Driver.fromInterface(DigitalOutput.contract, { on, off, read_pin }),
      input: Driver.fromInterface(DigitalInput.contract, {
        read_pin,
        wait_for_active: (timeout) => state(1, timeout),
        wait_for_inactive: (timeout) => state(0, timeout),
        wait_for_edge: (edge, timeout) => change(edge === "rising" ? 1 : 0, timeout)
      }),
      power: Driver.fromInterface(Power.contract, { on, off, read_pin }),
      level: Effect.sync(level),
      set,
      levels: Effect.sync(() => [...levels]),
      waiting: Effect.sync(() => waiting.size)
    }
  })
