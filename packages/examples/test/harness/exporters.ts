// The places of the board of `board.ts`: simulated in this process, served on a socket, or behind Jumpstarter's own
// code.
import { Driver, Endpoint, Exporter, ExporterConnection } from "@effect-jumpstarter/core"
import { ExporterTest, FlasherTest, PowerTest, SerialTest } from "@effect-jumpstarter/core/testing"
import { Command, FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { Config, Effect, Layer, Stream } from "effect"
import { fileURLToPath } from "node:url"

const drivers = Effect.gen(function*() {
  const serial = yield* SerialTest.make({
    script: [{ expect: "version", reply: "U-Boot 2026.01\r\n=> " }]
  })
  const { driver: power } = yield* PowerTest.make({
    voltage: 5,
    load: () => 2,
    onSwitch: (on) => on ? serial.say("U-Boot 2026.01\r\n=> ") : Effect.void
  })
  const flasher = yield* FlasherTest.make()
  return { power, serial: serial.driver, flasher: flasher.driver, meter: power }
})

/** Fakes in this process. */
export const memory = ExporterTest.layer(drivers)

/** The same fakes, served on a Unix socket like a separate exporter. */
export const socket = Layer.unwrapScoped(Effect.gen(function*() {
  const directory = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
  const exporter = yield* Exporter.make(Driver.composite(yield* drivers))
  return ExporterConnection.layer(yield* Exporter.serve(exporter, { path: `${directory}/exporter.sock` }))
})).pipe(Layer.provide(NodeContext.layer))

/** Jumpstarter's own drivers, in the Python exporter of `interop/board.py`. */
export const python = Layer.unwrapScoped(Effect.gen(function*() {
  const program = fileURLToPath(new URL("../../../../interop/board.py", import.meta.url))
  const { stdout } = yield* Command.start(Command.make(yield* Config.string("JUMPSTARTER_PYTHON"), program))
  const path = yield* stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.runHead, Effect.flatten)
  return ExporterConnection.layer(Endpoint.unix(path))
})).pipe(Layer.provide(NodeContext.layer))
