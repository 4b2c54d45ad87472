// What servers on the exporter have in common. The public contracts of the family spread these methods.
import * as Schema from "effect/Schema"
import * as DriverMethod from "../../contract/DriverMethod.ts"

export const running = {
  /** Starts the server. */
  start: DriverMethod.call({ documentation: "Starts the server.", idempotent: true }),
  /** Stops the server. */
  stop: DriverMethod.call({ documentation: "Stops the server.", idempotent: true })
}

export const listening = {
  /** The address the server listens on. */
  get_host: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The address the server listens on.",
    idempotent: true
  }),
  /** The port the server listens on. */
  get_port: DriverMethod.call({
    result: Schema.Number,
    effect: "read",
    documentation: "The port the server listens on.",
    idempotent: true
  })
}
