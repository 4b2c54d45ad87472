// Switches a board on and measures it. The layer, not the program, decides where the board is.
import { ExporterConnection } from "@effect-jumpstarter/core"
import { ExporterTest, PowerTest } from "@effect-jumpstarter/core/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Option, Stream } from "effect"

const program = Effect.gen(function*() {
  // Inside `jmp shell`: the leased exporter, from JMP_EXPORTER, JMP_LEASE and JMP_EXPORTER_LABELS.
  const { metadata } = yield* ExporterConnection.ExporterConnection
  if (Option.isSome(metadata)) yield* Effect.log("leased", metadata.value)
  const power = yield* ExporterConnection.driver("power")
  yield* power.call("on")
  yield* power.streamingCall("read").pipe(
    Stream.take(2),
    Stream.runForEach((reading) => Effect.log("reading", reading))
  )
}).pipe(
  Effect.ensuring(Effect.ignore(Effect.flatMap(ExporterConnection.driver("power"), (power) => power.call("off"))))
)

const supply = PowerTest.make({ voltage: 5, load: () => 2, interval: "100 millis" })

const fake = ExporterTest.layer(Effect.map(supply, ({ driver }) => ({ power: driver })))

// Uses a real exporter inside `jmp shell` or with JUMPSTARTER_HOST, and one in memory otherwise.
const exporter = ExporterConnection.layerEnvOr(fake)

program.pipe(Effect.provide(exporter), NodeRuntime.runMain)
