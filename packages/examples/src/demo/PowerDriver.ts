/** The board's power supply, as the embedded exporter hosts it. */
import { Driver, DriverFailure } from "@effect-jumpstarter/core"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Board } from "./Board.ts"

export const intervalMillis = 50

export const make = (board: Board): Driver.Driver =>
  Driver.make({
    client: "jumpstarter_driver_power.client.PowerClient",
    driverType: "power",
    description: "Bench supply, 12 V",
    methods: {
      on: Driver.call(() => Effect.zipRight(board.power(true), Effect.log("output on, 12.0 V"))),
      off: Driver.call(() => Effect.zipRight(board.power(false), Effect.log("output off"))),
      read: Driver.streamingCall(() =>
        Stream.repeatEffectWithSchedule(board.reading, Schedule.fixed(`${intervalMillis} millis`))
      ),
      limit: Driver.call(([amperes]) =>
        typeof amperes === "number" && amperes > 0 && amperes <= 5
          ? Effect.log(`current limit ${amperes.toFixed(1)} A`)
          : DriverFailure.make("InvalidArgument", `the limit is between 0 and 5 A, not ${JSON.stringify(amperes)}`)
      )
    }
  })
