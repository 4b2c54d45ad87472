// The contract of the fan of support.ts, as somebody writes it for drivers of their own.
import { DriverInterface, DriverMethod } from "@effect-jumpstarter/core"
import { Schema } from "effect"

export const Fan = DriverInterface.make("acme_drivers.client.FanClient", {
  set_speed: DriverMethod.call({ args: [Schema.Number.pipe(Schema.between(0, 100))], result: Schema.Number }),
  say: DriverMethod.call({ effect: "read", result: Schema.String }),
  names: DriverMethod.streamingCall({ effect: "read", item: Schema.String })
})
