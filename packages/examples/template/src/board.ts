// The devices of the board, and what is done with them. Nothing here knows whether the board is real.
import { Device } from "@effect-jumpstarter/core"
import { Power, Serial } from "@effect-jumpstarter/core/drivers"
import { Effect, Layer } from "effect"

export class BoardPower extends Device.Tag("bench/BoardPower", Power.contract)<BoardPower>() {}

export class BoardConsole extends Device.Tag("bench/BoardConsole", Serial.contract)<BoardConsole>() {}

/** The devices, by their paths in the exporter's tree of drivers. `npx @effect-jumpstarter/cli tree` shows the tree. */
export const devices = Layer.merge(BoardPower.layer("power"), BoardConsole.layer("serial"))

/** Switches the board on, logs in, and returns the console at the prompt. Closing the scope switches the board off. */
export const boot = Effect.gen(function*() {
  const power = yield* BoardPower
  const console = yield* Serial.console(yield* BoardConsole)
  yield* Effect.acquireRelease(power.on(), () => Effect.orDie(power.off()))
  yield* console.expect("login: ", { timeout: "60 seconds" })
  yield* console.sendLine("root")
  yield* console.expect("# ", { timeout: "10 seconds" })
  return console
})

/** The release of the running kernel, such as `6.12.3`. */
export const kernelRelease = Effect.gen(function*() {
  const console = yield* boot
  yield* console.sendLine("uname -r")
  const { groups } = yield* console.expect(/^(\d+\.\d+\.\d+)\S*\r?\n/m, { timeout: "10 seconds" })
  return groups[0] ?? ""
})
