// Tests of a board that does not boot: Vitest runs this file on its own, as a reader's, and looks at what is left afterwards. The
// directory of the records is in the environment.
import { Device, DriverFailure } from "@effect-jumpstarter/core"
import { Power, Serial } from "@effect-jumpstarter/core/drivers"
import { BenchRecord, ExporterTest, PowerTest, SerialTest } from "@effect-jumpstarter/core/testing"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, it } from "@effect/vitest"
import { Config, Duration, Effect, Layer, Stream } from "effect"
import { expect } from "vitest"

class BoardPower extends Device.Tag("acme/BoardPower", Power.contract)<BoardPower>() {}
class BoardConsole extends Device.Tag("acme/BoardConsole", Serial.contract)<BoardConsole>() {}

const boot = [
  "U-Boot 2024.01 (Mar 04 2024 - 10:21:07 +0000)",
  "DRAM:  2 GiB",
  "MMC:   mmc@fe2b0000: 0, mmc@fe310000: 1",
  "Loading Image from mmc 0:1 ... OK",
  "Starting kernel ...",
  "[    0.000000] Booting Linux on physical CPU 0x0",
  "[    0.000000] Machine model: Acme Carrier Rev C",
  "\u001b[33m[    0.841203] vdd_cpu: Underflow of regulator enable count\u001b[0m",
  "[    1.204411] mmc0: error -110 whilst initialising SD card",
  "\u001b[31m[    1.377120] Kernel panic - not syncing: VFS: Unable to mount root fs\u001b[0m"
]

// Draws more and more current, until the supply switches itself off.
const board = (boots: boolean) =>
  Effect.gen(function*() {
    const serial = yield* SerialTest.make()
    const talk = Effect.gen(function*() {
      for (const line of boots ? boot.slice(0, 3) : boot) {
        yield* Effect.sleep("60 millis")
        yield* serial.say(`${line}\r\n`)
      }
      if (boots) yield* serial.say("login: ")
      else yield* power.setFailure(DriverFailure.make("Device", "overcurrent protection: 3.1 A for 200 ms"))
    })
    const power: PowerTest.PowerTest = yield* PowerTest.make({
      voltage: 5,
      interval: "25 millis",
      load: (since) => {
        const millis = Duration.toMillis(since)
        return 0.35 + (boots ? 0 : Math.min(2.7, (millis / 380) ** 3)) + 0.05 * Math.sin(millis / 30)
      },
      onSwitch: (on) => on ? Effect.asVoid(Effect.forkDaemon(talk)) : Effect.void
    })
    return { power: power.driver, serial: serial.driver }
  })

const directory = Config.string("BENCH_RECORDS")

const onBoard = (
  context: BenchRecord.TestContext,
  { boots = false, keep }: Pick<BenchRecord.RecordOptions, "keep"> & { readonly boots?: boolean } = {}
) =>
  Layer.merge(BoardPower.layer("power"), BoardConsole.layer("serial")).pipe(
    Layer.provideMerge(ExporterTest.layer(board(boots))),
    Layer.provideMerge(Layer.unwrapEffect(
      Effect.map(directory, (directory) => BenchRecord.forTest(context, { directory, keep }))
    )),
    Layer.provide(NodeFileSystem.layer)
  )

const bootToLogin = Effect.gen(function*() {
  const power = yield* BoardPower
  const console = yield* Serial.console(yield* BoardConsole)
  yield* power.on()
  yield* Effect.logInfo("power is on, waiting for the login prompt")
  const watched = Stream.runForEach(power.read(), ({ voltage }) => Effect.sync(() => assert.isAbove(voltage, 4)))
  yield* Effect.raceFirst(console.expect("login: ", { timeout: "5 seconds" }), watched).pipe(Effect.withSpan("boot"))
})

it.scopedLive("boots to a login prompt", (context) => Effect.provide(bootToLogin, onBoard(context)))

it.scopedLive("boots a good image", (context) => Effect.provide(bootToLogin, onBoard(context, { boots: true })))

it.scopedLive("keeps what is asked for", (context) =>
  Effect.provide(bootToLogin, onBoard(context, { boots: true, keep: "always" })))

it.scopedLive("takes too long", (context) =>
  Effect.provide(
    Effect.gen(function*() {
      yield* Effect.flatMap(BoardPower, (power) => power.on())
      yield* Effect.flatMap(Serial.console(yield* BoardConsole), (console) => console.expect("never"))
    }),
    onBoard(context, { boots: true })
  ), 300)

it.scopedLive("fails softly", (context) =>
  Effect.provide(
    Effect.gen(function*() {
      yield* Effect.flatMap(BoardPower, (power) => power.on())
      expect.soft(1).toBe(2)
    }),
    onBoard(context, { boots: true })
  ))
