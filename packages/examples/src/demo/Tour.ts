/** The demo for the embedded exporter: a small test of a board, from power on to power off. */
import { Device, ExporterConnection, ProgressBar, Resource } from "@effect-jumpstarter/core"
import { type Console, Flasher, Power, Serial } from "@effect-jumpstarter/core/drivers"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { intervalMillis } from "./Board.ts"
import * as Chart from "./Chart.ts"
import * as DriverList from "./DriverList.ts"
import * as Failure from "./Failure.ts"
import * as Image from "./Image.ts"
import { facts, Screen, section } from "./Screen.ts"

class Supply extends Device.Tag("acme/Supply", Power.contract)<Supply>() {}
class Port extends Device.Tag("acme/Port", Serial.contract)<Port>() {}
class Storage extends Device.Tag("acme/Storage", Flasher.contract)<Storage>() {}

const devices = Layer.mergeAll(Supply.layer("power"), Port.layer("console"), Storage.layer("storage"))

const samples = 56

const axes: Chart.Axes = { unit: "A", max: 3, height: 5, width: samples, intervalMillis }

// Starts measuring before the board is switched on.
const powerOn = Effect.gen(function*() {
  yield* section("Power on, and measure")
  const { paint, pin, print } = yield* Screen
  const power = yield* Supply
  const currents: Array<number> = []
  const measure = power.read().pipe(
    Stream.take(samples),
    Stream.tap(({ current }) => {
      currents.push(current)
      return pin(Chart.render(currents, axes))
    }),
    Stream.runCollect
  )
  const [readings] = yield* Effect.all([measure, Effect.delay(power.on(), "400 millis")], {
    concurrency: "unbounded"
  })
  yield* pin([])
  for (const line of Chart.render(currents, axes)) yield* print(paint("good", line))
  const all = Array.from(readings)
  const last = all.at(-1)!
  yield* facts({
    peak: `${Math.max(...currents).toFixed(2)} A`,
    now: `${last.voltage.toFixed(2)} V, ${last.current.toFixed(2)} A, ${(last.voltage * last.current).toFixed(1)} W`
  })
})

const prompts = ["=> ", "# ", "login: "]

// Prints the input after a prompt in bold.
const transcribe = Effect.fnUntraced(function*(line: string) {
  const { paint, print } = yield* Screen
  const prompt = prompts.find((prompt) => line.includes(prompt))
  const typedAt = prompt === undefined ? line.length : line.indexOf(prompt) + prompt.length
  yield* print(`  ${paint("dim", "│")} ${line.slice(0, typedAt)}${paint("bold", line.slice(typedAt))}`.trimEnd())
})

const talk = Effect.fnUntraced(function*<E>(console: Console.Console<E>) {
  yield* section("Talk to the console")
  let line = ""
  const hear = Effect.fnUntraced(function*(prompt: string) {
    const { before, match } = yield* console.expect(prompt, { timeout: "5 seconds" })
    const lines = `${line}${before}${match}`.replaceAll("\r", "").split("\n")
    line = lines.at(-1)!
    yield* Effect.forEach(lines.slice(0, -1), transcribe, { discard: true })
  })
  const say = (line: string, prompt: string) => Effect.zipRight(console.sendLine(line), hear(prompt))
  yield* hear("=> ")
  yield* say("version", "=> ")
  yield* say("printenv bootargs", "=> ")
  yield* say("boot", "login: ")
  yield* say("root", "# ")
  yield* say("uname -srm", "# ")
  yield* transcribe(line)
})

const imageSize = 24 * 1024 * 1024

const flash = Effect.gen(function*() {
  yield* section("Flash an image")
  const { output, paint, print } = yield* Screen
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const storage = yield* Storage
  const file = path.join(yield* fileSystem.makeTempDirectoryScoped({ prefix: "jumpstarter-image-" }), "rootfs.img.gz")
  const { encodedSize, sha256 } = yield* Image.writeGzip(file, imageSize)
  yield* facts({
    image: `${(imageSize / 1e6).toFixed(1)} MB, ${(encodedSize / 1e6).toFixed(1)} MB as gzip; the exporter decodes it`
  })

  const image = yield* Resource.fromFile(file, { contentEncoding: "gzip" })
  yield* storage.flash(image.pipe(ProgressBar.show({ label: "  flash", output })), "rootfs")
  const dumped = yield* storage.dump(Resource.sink(Image.sha256), "rootfs")
  yield* facts({ sent: `sha256 ${sha256.slice(0, 48)}…`, dumped: `sha256 ${dumped.slice(0, 48)}…` })
  if (dumped !== sha256) return yield* Effect.dieMessage("the dump differs from the flashed image")
  yield* print(`  ${paint("good", "✓")} read back unchanged, with the same sha256`)
}).pipe(Effect.scoped)

const failures = Effect.gen(function*() {
  yield* section("Failures are values with a type")
  const { print } = yield* Screen
  const storage = yield* Storage
  yield* print("  storage.dump(sink, \"data\")")
  yield* storage.dump(Resource.sink(Sink.drain), "data").pipe(Effect.catchTag("DriverError", Failure.show))

  // Calls a method without a contract by its name.
  const power = yield* ExporterConnection.driver("power")
  yield* print("  power.limit({ channels: [2.5, NaN] })")
  yield* power.call("limit", { channels: [2.5, NaN] }).pipe(Effect.catchTag("InvalidArgument", Failure.show))
})

const powerOff = Effect.gen(function*() {
  yield* section("Power off")
  const power = yield* Supply
  yield* power.off()
  const off = yield* Stream.runHead(power.read())
  yield* facts({ now: `${off._tag === "Some" ? off.value.current.toFixed(2) : "?"} A` })
})

// The log arrives separately: wait so that the log lines of a section appear below it.
const logsArrive = Effect.sleep("80 millis")

/** The whole tour. */
export const run = Effect.gen(function*() {
  const started = yield* Clock.currentTimeNanos
  const { paint, print } = yield* Screen
  const connection = yield* ExporterConnection.ExporterConnection
  yield* section("An exporter in this process, on a Unix socket")
  yield* DriverList.show(connection)
  yield* connection.logStream()

  // Connects before the board has power, so that no output is missed.
  const console = yield* Effect.flatMap(Port, (port) => Serial.console(port))
  yield* powerOn
  yield* logsArrive
  yield* talk(console)
  yield* flash
  yield* logsArrive
  yield* failures
  yield* logsArrive
  yield* powerOff
  yield* logsArrive
  const seconds = Number((yield* Clock.currentTimeNanos) - started) / 1e9
  yield* print(
    `\n${paint("good", "✓ Done")}: ${samples} readings, a boot, ${(imageSize / 1e6).toFixed(1)} MB flashed and ` +
      `verified, in ${seconds.toFixed(1)} s.`
  )
}).pipe(Effect.scoped, Effect.provide(devices))
