// Sends a line to a serial console and waits for the reply.
import { Device } from "@effect-jumpstarter/core"
import { Serial } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, SerialTest } from "@effect-jumpstarter/core/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"

class BoardConsole extends Device.Tag("acme/BoardConsole", Serial.contract)<BoardConsole>() {}

const version = Effect.gen(function*() {
  const console = yield* Serial.console(yield* BoardConsole)
  yield* console.expect("=> ", { timeout: "5 seconds" })
  yield* console.sendLine("version")
  const { groups } = yield* console.expect(/U-Boot (\S+)\r\n/, { timeout: "5 seconds" })
  return groups[0]
}).pipe(Effect.scoped)

const board = SerialTest.make({
  prompt: "=> ",
  script: [{ expect: "version", reply: "U-Boot 2025.04\r\n" }],
  echo: true
})

version.pipe(
  Effect.flatMap(Console.log),
  Effect.provide(BoardConsole.layer("console")),
  Effect.provide(ExporterTest.layer(Effect.map(board, ({ driver }) => ({ console: driver })))),
  NodeRuntime.runMain
)
