/**
 * A power supply to test with: what the device behind it draws is a function of time.
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
 * What a device draws, in amperes, so long after it was switched on. It is not asked while the device is off.
 *
 * @since 0.1.0
 * @category models
 */
export type Load = (sinceOn: Duration.Duration) => number

/**
 * Something that was done to the power, and when, in milliseconds of Effect's clock.
 *
 * @since 0.1.0
 * @category models
 */
export interface PowerEvent {
  readonly _tag: "on" | "off"
  readonly at: number
}

/**
 * The driver, and what a test sees and steers of it.
 *
 * @since 0.1.0
 * @category testing
 */
export interface PowerTest {
  readonly driver: Driver.Driver
  readonly isOn: Effect.Effect<boolean>
  /** What a reading would be now. */
  readonly reading: Effect.Effect<Power.PowerReading>
  /** Every `on` and `off`, in order. */
  readonly events: Effect.Effect<ReadonlyArray<PowerEvent>>
  readonly setVoltage: (volts: number) => Effect.Effect<void>
  readonly setLoad: (load: Load) => Effect.Effect<void>
  /** Fails every call from now on, until it is given nothing. */
  readonly setFailure: (failure: DriverFailure | undefined) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category testing
 */
export interface PowerTestOptions {
  /** The voltage while it is on; 12 unless given. */
  readonly voltage?: number | undefined
  /** What the device draws; one ampere unless given. */
  readonly load?: Load | undefined
  /** The time between two readings of one call; a second unless given. The first one comes at once. */
  readonly interval?: Duration.DurationInput | undefined
  /**
   * What else happens when the device gets or loses its power, before the call is answered: a console that boots, for
   * instance, or a line in the log.
   */
  readonly onSwitch?: ((on: boolean) => Effect.Effect<void>) | undefined
}

/**
 * A power supply that is off. Its readings never end, and go by Effect's clock.
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
 *   // Two amperes while it boots, half an ampere afterwards.
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
