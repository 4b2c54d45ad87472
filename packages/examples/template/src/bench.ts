// Where the board is: at the exporter that JUMPSTARTER_HOST names, or else a board of fakes in this process.
import { ExporterConnection } from "@effect-jumpstarter/core"
import { ExporterTest, PowerTest, SerialTest } from "@effect-jumpstarter/core/testing"
import { Effect, Layer } from "effect"
import { devices } from "./board.ts"

/** A power supply, and a console that asks for a login when the power comes on. */
const fakeBoard = Effect.gen(function*() {
  const serial = yield* SerialTest.make({
    script: [
      { expect: "root", reply: "# " },
      { expect: "uname -r", reply: "6.12.3\r\n# " }
    ]
  })
  const power = yield* PowerTest.make({
    voltage: 5,
    interval: "100 millis",
    onSwitch: (isOn) => isOn ? serial.say("login: ") : Effect.void
  })
  return { power: power.driver, serial: serial.driver }
})

// In a lab, put a lease in place of the fake: docs/leases.md of @effect-jumpstarter/core.
const exporter = ExporterConnection.layerEnvOr(ExporterTest.layer(fakeBoard))

/** The devices of the board, with the connection to them. */
export const bench = Layer.provide(devices, exporter)
