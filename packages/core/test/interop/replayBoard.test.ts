// A test of a board as users write it, recorded against the Python exporter: run again without it, and after changes.
import { Device, Endpoint, ExporterConnection, GrpcChannel, Resource } from "@effect-jumpstarter/core"
import { Flasher, Power, Serial } from "@effect-jumpstarter/core/drivers"
import { Recording } from "@effect-jumpstarter/core/testing"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Command from "@effect/platform/Command"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option, Sink, Stream } from "effect"
import { text, utf8 } from "../support/bytes.ts"
import * as python from "../support/python.ts"
import { file, lines, outcome } from "../testing/recordings.ts"

class Supply extends Device.Tag("acme/Supply", Power.contract)<Supply>() {}
class Port extends Device.Tag("acme/Port", Serial.contract)<Port>() {}
class Storage extends Device.Tag("acme/Storage", Flasher.contract)<Storage>() {}

const devices = Layer.mergeAll(Supply.layer("power"), Port.layer("serial"), Storage.layer("flasher"))

const secret = "hunter2"

const image = "an image ".repeat(20_000)

// What the test can do, and the steps it does it in.
const makeBench = Effect.gen(function*() {
  const { logs } = yield* ExporterConnection.ExporterConnection
  const supply = yield* Supply
  const storage = yield* Storage
  const console = yield* Serial.console(yield* Port)
  const switched = yield* Effect.forkScoped(
    Stream.runHead(Stream.filter(logs, (event) => event._tag === "LogEntry" && event.message === "power on"))
  )
  const ask = (line: string) => Effect.zipRight(console.sendLine(line), console.expect("=> "))
  const flash = (content: string, target: string) => storage.flash(Resource.source(Stream.make(utf8(content))), target)
  const dump = (target: string) =>
    Effect.map(
      storage.dump(Resource.sink(Sink.collectAll<Uint8Array>()), target),
      (pieces) => text(Buffer.concat(Array.from(pieces))).length
    )
  const steps = {
    on: supply.on(),
    log: Effect.map(Fiber.join(switched), Option.isSome),
    boot: console.expect("=> "),
    version: ask("version"),
    login: ask(`login ${secret}`),
    flash: flash(image, "root"),
    dump: dump("root"),
    absent: outcome(dump("config")),
    off: supply.off()
  }
  return { supply, ask, flash, steps }
})

type Bench = Effect.Effect.Success<typeof makeBench>

type Steps = Readonly<Record<string, Effect.Effect<unknown, unknown>>>

const test = (change: (bench: Bench) => Steps) =>
  Effect.scoped(Effect.flatMap(makeBench, (bench) => Effect.all(change(bench)))).pipe(Effect.provide(devices))

const unchanged = ({ steps }: Bench): Steps => steps

const hide = (value: string) => value.replaceAll(secret, "*******")

const scrub: Recording.ScrubOptions = {
  scrub: (value) => typeof value === "string" ? hide(value) : value,
  scrubBytes: (bytes) => utf8(hide(text(bytes)))
}

class Recorded extends Context.Tag("test/Recorded")<Recorded, {
  readonly path: string
  readonly socket: string
  readonly results: unknown
}>() {}

const connected = <E, R>(channel: Layer.Layer<GrpcChannel.GrpcChannel, E, R>) =>
  Layer.provide(ExporterConnection.layerChannel(), channel)

// The exporter is gone when this has been made.
const recorded = Layer.scoped(
  Recorded,
  Effect.gen(function*() {
    const path = yield* file
    return yield* Effect.scoped(Effect.gen(function*() {
      const { stdout } = yield* Command.start(Command.make(...python.board()))
      const socket = yield* stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.runHead, Effect.flatten)
      const channel = Layer.provide(Recording.layerRecord(path, scrub), GrpcChannel.layer(Endpoint.unix(socket)))
      return { path, socket, results: yield* Effect.provide(test(unchanged), connected(channel)) }
    }))
  })
)

layer(Layer.provideMerge(recorded, NodeContext.layer), { excludeTestServices: true, timeout: "30 seconds" })((it) => {
  const replay = (change: (bench: Bench) => Steps) =>
    Effect.flatMap(
      Recorded,
      ({ path }) => Effect.provide(test(change), connected(Recording.layerReplay(path, scrub)))
    )

  it.scoped("a recorded test of a board runs again without the exporter", () =>
    Effect.gen(function*() {
      const { results, socket } = yield* Recorded
      const error = yield* Effect.flip(ExporterConnection.fromEndpoint(Endpoint.unix(socket)))
      assert.strictEqual(error.reason, "Unreachable")
      assert.deepStrictEqual(yield* replay(unchanged), results)
      assert.include(results, { log: true, dump: image.length })
    }))

  it.effect("a recorded test of a board has no secret in its file", () =>
    Effect.gen(function*() {
      const content = (yield* lines((yield* Recorded).path)).join("\n")
      assert.notInclude(content, secret)
      assert.include(content, String.raw`"sent","data":{"bytes":14,"text":"login *******\n"}`)
    }))

  describe("a recorded test of a board says what is different:", () => {
    // The number of the line depends on the pieces in which the text of the console arrived.
    const differs = (name: string, change: (bench: Bench) => Steps, ...told: ReadonlyArray<string>) =>
      it.effect(name, () =>
        Effect.gen(function*() {
          const { path } = yield* Recorded
          const error = String(yield* outcome(replay(change)))
          const lines = error.replaceAll(path, "board.jsonl").replaceAll(/line \d+/g, "line N")
            .replaceAll(/, unix:\/\S+\/socket\)/g, ", the exporter)").split("\n")
          assert.deepStrictEqual(lines, told)
        }))

    differs(
      "another argument",
      ({ flash, steps }) => ({ ...steps, flash: flash(image, "boot") }),
      "call flasher.flash was not sent (INVALID_ARGUMENT, the exporter): " +
        `call flasher.flash(<resource>, "boot") is not in the recording board.jsonl`,
      `  expected next: call flasher.flash(<resource>, "root") (line N)`,
      `  arguments[1]: recorded "root", got "boot"`
    )
    differs(
      "another method",
      ({ steps, supply }) => ({ ...steps, off: supply.rescue() }),
      "call power.rescue was not sent (INVALID_ARGUMENT, the exporter): call power.rescue() is not in the recording board.jsonl",
      "  expected next: call power.off() (line N)"
    )
    differs(
      "a missing call",
      ({ steps: { flash: _, ...steps } }) => steps,
      "call flasher.dump was not sent (INVALID_ARGUMENT, the exporter): " +
        `call flasher.dump(<resource>, "root") comes before line N of the recording board.jsonl`,
      `  expected next: call flasher.flash(<resource>, "root") (line N)`
    )
    differs(
      "a missing call at the end",
      ({ steps: { off: _, ...steps } }) => steps,
      "the program differs from the recording board.jsonl:",
      "- call power.off() was not made (line N)"
    )
    differs(
      "an extra call",
      ({ steps, supply }) => ({ ...steps, again: supply.off() }),
      "call power.off was not sent (INVALID_ARGUMENT, the exporter): " +
        "call power.off() is made more often than in the recording board.jsonl",
      "  expected next: nothing, the recording is complete"
    )
    differs(
      "another image",
      ({ flash, steps }) => ({ ...steps, flash: flash(image.slice(0, -6) + "Image ", "root") }),
      "transfer flasher.resource was not sent (INVALID_ARGUMENT, the exporter): " +
        "resource for flasher was sent different data than in the recording board.jsonl",
      `  at byte 179994: recorded "image ", got "Image " (line N)`
    )
    differs(
      "a shorter image",
      ({ flash, steps }) => ({ ...steps, flash: flash(image.slice(9), "root") }),
      "transfer flasher.resource was not sent (INVALID_ARGUMENT, the exporter): " +
        "resource for flasher was sent different data than in the recording board.jsonl",
      "  the program ended it after 179991 of 180000 bytes (line N)"
    )
    differs(
      "another line on the console",
      ({ ask, steps }) => ({ ...steps, version: ask("printenv") }),
      "stream serial.connect was not sent (INVALID_ARGUMENT, the exporter): " +
        "stream serial.connect was sent different data than in the recording board.jsonl",
      String.raw`  at byte 0: recorded "version\n", got "printenv\n" (line N)`
    )
    differs(
      "an extra line on the console",
      ({ ask, steps }) => ({ ...steps, again: ask("version") }),
      "stream serial.connect was not sent (INVALID_ARGUMENT, the exporter): " +
        "stream serial.connect was sent different data than in the recording board.jsonl",
      String.raw`  recorded the end after 22 bytes (line N), got "version\n"`
    )
    differs(
      "another order of calls",
      ({ steps: { off, on, ...steps } }) => ({ off, ...steps, on }),
      "call power.off was not sent (INVALID_ARGUMENT, the exporter): " +
        "call power.off() cannot continue at line N of the recording board.jsonl",
      "  expected first: call power.on() (line N)"
    )
    differs(
      "another order of a call and a line on the console",
      ({ steps: { login, version, ...steps } }) => ({ ...steps, version, login }),
      "transfer flasher.resource was not sent (INVALID_ARGUMENT, the exporter): " +
        "resource for flasher cannot continue at line N of the recording board.jsonl",
      String.raw`  expected first: "version\n" sent on the stream serial.connect (line N)`
    )
  })
})
