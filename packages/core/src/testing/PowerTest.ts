/**
 * A fake power supply whose load is a function of time.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Power from "../drivers/Power.ts"
import * as Driver from "../host/Driver.ts"
import type { DriverFailure } from "../protocol/DriverFailure.ts"
import * as monotonicClock from "../util/monotonicClock.ts"

/**
 * The current that a device draws, in amperes, by the time since it was switched on. Not called while the device is
 * off.
 *
 * @since 0.1.0
 * @category models
 */
export type Load = (sinceOn: Duration.Duration) => number

/**
 * A call of `on` or `off`, and its time in milliseconds of Effect's clock.
 *
 * @since 0.1.0
 * @category models
 */
export interface PowerEvent {
  readonly _tag: "on" | "off"
  readonly at: number
}

/**
 * The driver, with the state that a test can observe and change.
 *
 * @since 0.1.0
 * @category testing
 */
export interface PowerTest {
  readonly driver: Driver.Driver
  readonly isOn: Effect.Effect<boolean>
  /** The current reading. */
  readonly reading: Effect.Effect<Power.PowerReading>
  /** Every `on` and `off`, in order. */
  readonly events: Effect.Effect<ReadonlyArray<PowerEvent>>
  readonly setVoltage: (volts: number) => Effect.Effect<void>
  readonly setLoad: (load: Load) => Effect.Effect<void>
  /** Makes every call fail with this failure; `undefined` ends this. */
  readonly setFailure: (failure: DriverFailure | undefined) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category testing
 */
export interface PowerTestOptions {
  /** The voltage while the supply is on; 12 by default. */
  readonly voltage?: number | undefined
  /** The current that the device draws; one ampere by default. */
  readonly load?: Load | undefined
  /** The time between two readings of one call; one second by default. The first reading comes at once. */
  readonly interval?: Duration.DurationInput | undefined
  /**
   * Runs when the supply is switched on or off, before the call returns: for example to boot a console, or to add a
   * line to the log.
   */
  readonly onSwitch?: ((on: boolean) => Effect.Effect<void>) | undefined
}

/**
 * Makes a power supply that is off. Its readings never end, and follow Effect's clock.
 *
 * @since 0.1.0
 * @category testing
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Power } from "@effect-jumpstarter/core/drivers"
 * import { ExporterTest, PowerTest } from "@effect-jumpstarter/core/testing"
 * import { Duration, Effect, Stream } from "effect"
 *
 * class BoardPower extends Device.Tag("acme/BoardPower", Power.contract)<BoardPower>() {}
 *
 * const test = Effect.gen(function*() {
 *   // The board draws two amperes while it boots, and half an ampere afterwards.
 *   const supply = yield* PowerTest.make({ load: (sinceOn) => Duration.lessThan(sinceOn, "3 seconds") ? 2 : 0.5 })
 *   yield* Effect.gen(function*() {
 *     const power = yield* BoardPower
 *     yield* power.on()
 *     const readings = yield* power.read().pipe(Stream.take(5), Stream.runCollect) // 2, 2, 2, 0.5, 0.5
 *   }).pipe(Effect.provide(BoardPower.layer("power")), Effect.provide(ExporterTest.layer({ power: supply.driver })))
 *   return yield* supply.isOn // true
 * })
 * ```
 */
export const make = (options: PowerTestOptions = {}): Effect.Effect<PowerTest> =>
  Effect.sync(() => {
    const events: Array<PowerEvent> = []
    let voltage = options.voltage ?? 12
    let load = options.load ?? (() => 1)
    let failure: DriverFailure | undefined
    let on = false
    let onSince = 0

    const guard = Effect.suspend(() => failure ?? Effect.void)
    const record = (_tag: PowerEvent["_tag"]) =>
      Effect.zipRight(
        guard,
        // eslint-disable-next-line no-restricted-syntax -- an event carries the time of day
        Effect.flatMap(Effect.zip(Clock.currentTimeMillis, monotonicClock.currentMillis), ([at, since]) => {
          const switched = on !== (_tag === "on")
          events.push({ _tag, at })
          if (!switched) return Effect.void
          on = !on
          onSince = since
          return options.onSwitch?.(on) ?? Effect.void
        })
      )
    const reading = Effect.map(monotonicClock.currentMillis, (now): Power.PowerReading =>
      on
        ? { voltage, current: load(Duration.millis(now - onSince)) }
        : { voltage: 0, current: 0 })

    return {
      driver: Driver.fromInterface(Power.contract, {
        on: () => record("on"),
        off: () => record("off"),
        read: () =>
          Stream.repeatEffectWithSchedule(
            Effect.zipRight(guard, reading),
            Schedule.spaced(options.interval ?? "1 second")
          )
      }),
      isOn: Effect.sync(() => on),
      reading,
      events: Effect.sync(() => [...events]),
      setVoltage: (volts) =>
        Effect.sync(() => {
          voltage = volts
        }),
      setLoad: (next) =>
        Effect.sync(() => {
          load = next
        }),
      setFailure: (next) =>
        Effect.sync(() => {
          failure = next
        })
    }
  })
