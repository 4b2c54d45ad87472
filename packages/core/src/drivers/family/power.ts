// What power drivers have in common. The public contracts of the family spread these methods.
import * as Schema from "effect/Schema"
import * as DriverMethod from "../../contract/DriverMethod.ts"

/**
 * A measurement, in volts and amperes.
 *
 * @since 0.1.0
 * @category models
 */
export interface PowerReading {
  readonly voltage: number
  readonly current: number
}

/**
 * @since 0.1.0
 * @category schemas
 */
export const PowerReading: Schema.Schema<PowerReading> = Schema.Struct({
  voltage: Schema.Number,
  current: Schema.Number
})

export const switching = {
  /** Switches the device on. */
  on: DriverMethod.call({ documentation: "Switches the device on.", idempotent: true }),
  /** Switches the device off. */
  off: DriverMethod.call({ documentation: "Switches the device off.", idempotent: true })
}

export const metering = {
  /** Measures the voltage and the current of the device. */
  read: DriverMethod.streamingCall({
    item: PowerReading,
    optional: true,
    effect: "read",
    documentation: "Measures the voltage and the current of the device."
  })
}

// In the place of `off` of `switching`.
export const destroying = {
  /** Switches the device off, and destroys it if the argument is true. */
  off: DriverMethod.call({
    args: DriverMethod.named((destroy = DriverMethod.optional(Schema.Boolean, { fallback: false })) => [destroy]),
    effect: "destructive",
    documentation: "Switches the device off, and destroys it if the argument is true."
  })
}
