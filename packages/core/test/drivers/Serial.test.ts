import { Device, ExporterConnection } from "@effect-jumpstarter/core"
import { Serial } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, SerialTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, LogLevel, Stream } from "effect"
import { connect } from "./support.ts"

describe("Serial and SerialTest", () => {
  const board = (options: SerialTest.SerialTestOptions = {}) =>
    Effect.gen(function*() {
      const fake = yield* SerialTest.make({
        banner: "Welcome\r\n",
        prompt: "# ",
        script: [
          { expect: "uname", reply: "Linux\r\n" },
          { expect: /^echo (.*)/, reply: (line) => `${line.slice(5)}\r\n` },
          { expect: "reset", reply: "ok\r\n", once: true },
          { expect: "reset", reply: "again?\r\n" }
        ],
        ...options
      })
      return { fake, serial: yield* connect(Serial.contract, fake.driver) }
    })

  // The warnings that are logged, and the logger that collects them.
  const collecting = () => {
    const warnings: Array<string> = []
    const warned = Effect.unsafeMakeLatch(false)
    const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
      if (logLevel !== LogLevel.Warning) return
      warnings.push(String(message))
      warned.unsafeOpen()
    })
    return { warnings, warned, layer: Logger.replace(Logger.defaultLogger, logger) }
  }

  it.scoped("warns in the client's log of a line without a step", () => {
    const { layer, warned, warnings } = collecting()
    return Effect.gen(function*() {
      const { driver } = yield* SerialTest.make({
        prompt: "# ",
        script: [
          { expect: "uname", reply: "Linux\r\n" },
          { expect: "reset", reply: "ok\r\n", once: true },
          { expect: /^echo (.*)/, reply: "" }
        ]
      })
      const exporter = yield* Layer.build(ExporterTest.layer({ serial: driver }))
      yield* Context.get(exporter, ExporterConnection.ExporterConnection).logStream()
      const console = yield* Serial.console(yield* Effect.provide(Device.connect(Serial.contract, "serial"), exporter))
      for (const line of ["", "uname", "reset", "unmae"]) yield* console.sendLine(line)
      yield* warned.await
      assert.deepStrictEqual(warnings, [
        "SerialTest has no step for the line \"unmae\"; the steps left are \"uname\", /^echo (.*)/"
      ])
    }).pipe(Effect.provide(layer))
  })

  it.scoped.each(
    [
      ["a line, where no step is left", {}, "on\n", [
        "SerialTest has no step for the line \"on\"; the script has no steps left"
      ]],
      ["an empty line", {}, "\r\n\n", []],
      ["a line that is replied to otherwise", { otherwise: () => "?" }, "on\n", []]
    ] as const
  )("warns as much as it should of %s", ([, options, text, expected]) => {
    const { layer, warnings } = collecting()
    return Effect.gen(function*() {
      const { driver } = yield* SerialTest.make(options)
      const connect = driver.methods["connect"]
      assert(connect?._tag === "Stream")
      const { write } = yield* connect.open
      yield* write(new TextEncoder().encode(text))
      assert.deepStrictEqual(warnings, [...expected])
    }).pipe(Effect.provide(layer))
  })

  it.scoped("keeps a byte order mark in the line that it receives", () =>
    Effect.gen(function*() {
      const { fake, serial } = yield* board({ banner: "", prompt: "" })
      const console = yield* Serial.console(serial)
      yield* console.sendLine("\ufeffuname")
      yield* console.sendLine("echo done")
      yield* console.expect("done")
      assert.deepStrictEqual(yield* fake.unexpected, ["\ufeffuname"])
    }))

  it.scoped("replies by its script", () =>
    Effect.gen(function*() {
      const { fake, serial } = yield* board()
      const console = yield* Serial.console(serial)
      yield* console.expect("# ")
      const ask = (line: string) =>
        Effect.zipRight(console.sendLine(line), Effect.map(console.expect("# "), ({ before }) => before))
      assert.strictEqual(yield* ask("uname"), "Linux\r\n")
      assert.strictEqual(yield* ask("echo héllo"), "héllo\r\n")
      assert.lengthOf(yield* fake.remaining, 1)
      assert.strictEqual(yield* ask("reset"), "ok\r\n")
      assert.strictEqual(yield* ask("reset"), "again?\r\n")
      assert.strictEqual(yield* ask("rm -rf /"), "")
      assert.strictEqual(yield* ask(""), "")
      assert.deepStrictEqual(yield* fake.unexpected, ["rm -rf /"])
      assert.lengthOf(yield* fake.remaining, 0)
      assert.deepStrictEqual((yield* fake.transcript).slice(0, 3), [
        { from: "device", text: "Welcome\r\n# " },
        { from: "client", text: "uname\n" },
        { from: "device", text: "Linux\r\n# " }
      ])
      assert.deepStrictEqual(yield* console.transcript, yield* fake.transcript)
    }))

  it.scoped("accepts lines in pieces and with any line end, and echoes on request", () =>
    Effect.gen(function*() {
      const { fake, serial } = yield* board({ banner: "", echo: true, otherwise: (line) => `${line}?\r\n` })
      const console = yield* Serial.console(serial, { lineEnd: "\r\n" })
      yield* console.expect("# ")
      yield* console.send("un")
      yield* console.send("ame\r")
      assert.strictEqual((yield* console.expect("# ")).before, "uname\rLinux\r\n")
      yield* console.send("\n")
      yield* console.sendLine("what")
      assert.strictEqual((yield* console.expect("# ")).before, "\nwhat\rwhat?\r\n")
      assert.deepStrictEqual(yield* fake.unexpected, ["what"])
    }))

  it.scoped("boots, sends text on its own, hangs up, and counts its connections", () =>
    Effect.gen(function*() {
      const { fake, serial } = yield* board()
      assert.strictEqual(yield* fake.connections, 0)
      yield* Effect.scoped(Effect.gen(function*() {
        const console = yield* Serial.console(serial)
        yield* console.expect("# ")
        assert.strictEqual(yield* fake.connections, 1)
        yield* console.send("una")
        yield* fake.say("[   12.3] usb 1-1: new device\r\n")
        yield* console.expect(/usb (\S+):/)
        yield* fake.boot
        yield* console.expect("Welcome")
        yield* console.expect("# ")
        yield* console.sendLine("uname")
        yield* console.expect("Linux")
        yield* fake.hangUp
        const error = yield* Effect.flip(console.expect("nothing more"))
        assert.strictEqual(error._tag, "ExpectError")
      }))
      assert.deepStrictEqual(yield* fake.unexpected, [])
      yield* Effect.scoped(Effect.gen(function*() {
        const console = yield* Serial.console(serial)
        yield* console.expect("# ")
        yield* serial.close()
        yield* Effect.flip(console.expect("nothing more"))
      }))
    }))

  it.scoped("sets the control lines", () =>
    Effect.gen(function*() {
      const { fake, serial } = yield* board()
      yield* serial.set_dtr(true)
      assert.deepStrictEqual(yield* fake.lines, { dtr: true, rts: false })
      yield* serial.set_rts(true)
      yield* serial.set_dtr(false)
      assert.deepStrictEqual(yield* fake.lines, { dtr: false, rts: true })
    }))

  it.scoped("drops clients that disconnect in the middle of a line", () =>
    Effect.gen(function*() {
      const { fake, serial } = yield* board()
      const half = yield* Effect.fork(
        Effect.scoped(Effect.flatMap(serial.connect(), ({ read }) => Stream.runDrain(read)))
      )
      yield* Effect.repeatN(Effect.yieldNow(), 50)
      assert.strictEqual(yield* fake.connections, 1)
      yield* Fiber.interrupt(half)
      yield* Effect.repeatN(Effect.yieldNow(), 50)
      assert.strictEqual(yield* fake.connections, 0)
    }))
})
