import { Console, Serial } from "@effect-jumpstarter/core/drivers"
import type { ByteStream } from "@effect-jumpstarter/core/RouterStream"
import { SerialTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Fiber, Mailbox, Stream, TestClock } from "effect"
import { text, utf8 } from "../support/bytes.ts"
import { connect } from "./support.ts"

// A device that says what the test feeds it.
const device = Effect.gen(function*() {
  const output = yield* Mailbox.make<Uint8Array, string>()
  const written: Array<string> = []
  const stream: ByteStream<string> = {
    read: Mailbox.toStream(output),
    write: (bytes) => Effect.sync(() => written.push(text(bytes))),
    end: Effect.void
  }
  return {
    output,
    stream,
    written,
    say: (said: string | Uint8Array) => output.offer(typeof said === "string" ? utf8(said) : said)
  }
})

describe("Console", () => {
  it.scoped("finds text and keeps what follows it", () =>
    Effect.gen(function*() {
      const { say, stream } = yield* device
      const console = yield* Console.make(stream)
      yield* say("booting...\nlogin: root\nPass")
      assert.deepStrictEqual(yield* console.expect("login: "), {
        before: "booting...\n",
        match: "login: ",
        groups: [],
        index: 0
      })
      const waiting = yield* Effect.fork(console.expect(/(\w+):(x)?/))
      yield* say("word:")
      const match = yield* Fiber.join(waiting)
      assert.deepStrictEqual(match, { before: "root\n", match: "Password:", groups: ["Password", undefined], index: 0 })
    }))

  it.scoped("finds the first of several patterns, and says which", () =>
    Effect.gen(function*() {
      const { say, stream } = yield* device
      const console = yield* Console.make(stream)
      yield* say("Kernel panic: no init\nlogin: ")
      const prompt = ["login: ", /panic: (.*)\n/] as const
      assert.deepStrictEqual(yield* console.expect(prompt), {
        before: "Kernel ",
        match: "panic: no init\n",
        groups: ["no init"],
        index: 1
      })
      assert.strictEqual((yield* console.expect(prompt)).index, 0)
      const waiting = yield* Effect.fork(Effect.flip(console.expect(prompt, { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.include(String(yield* Fiber.join(waiting)), "\"login: \" or /panic: (.*)\\n/ did not come within 1s")
    }))

  it.scoped("shows what the device says as it comes, each character whole", () =>
    Effect.gen(function*() {
      const { output, say, stream } = yield* device
      const shown: Array<string> = []
      const console = yield* Console.make(stream, { onText: (text) => Effect.sync(() => void shown.push(text)) })
      const [first, second] = [utf8("né").subarray(0, 2), utf8("né").subarray(2)]
      yield* say(first)
      yield* say(second)
      yield* console.expect("né")
      yield* say(first)
      yield* output.end
      yield* Effect.flip(console.expect("never"))
      assert.deepStrictEqual(shown, ["n", "é", "n", "\ufffd"])
    }))

  it.scoped("sends lines with the end the device wants", () =>
    Effect.gen(function*() {
      const { stream, written } = yield* device
      const console = yield* Console.make(stream, { lineEnd: "\r" })
      yield* console.sendLine("é")
      yield* console.send("\x03")
      const plain = yield* Console.make(stream)
      yield* plain.sendLine("")
      assert.deepStrictEqual(written, ["é\r", "\x03", "\n"])
    }))

  it.scoped("gives up on Effect's clock, says what came instead, and goes on", () =>
    Effect.gen(function*() {
      const { say, stream } = yield* device
      const console = yield* Console.make(stream)
      yield* say("Kernel panic")
      const waiting = yield* Effect.fork(Effect.flip(console.expect(/login/i, { timeout: "1 minute" })))
      yield* TestClock.adjust("59 seconds")
      assert.isNull(yield* Fiber.poll(waiting).pipe(Effect.map((exit) => exit._tag === "None" ? null : exit)))
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(waiting)
      if (typeof error === "string") return assert.fail(error)
      assert.strictEqual(error.reason, "Timeout")
      assert.strictEqual(error.message, "/login/i did not come within 1m, only \"Kernel panic\"")
      assert.strictEqual((yield* console.expect("panic")).before, "Kernel ")
    }))

  it.scoped("fails when the device ends the stream, after what it had said", () =>
    Effect.gen(function*() {
      const { output, say, stream } = yield* device
      const console = yield* Console.make(stream)
      const waiting = yield* Effect.fork(Effect.flip(console.expect("never")))
      yield* say("last words")
      yield* output.end
      const error = yield* Fiber.join(waiting)
      if (typeof error === "string") return assert.fail(error)
      assert.strictEqual(error.reason, "Closed")
      assert.include(error.message, "\"never\" did not come before the device closed the console, only \"last words\"")
      assert.strictEqual((yield* console.expect("last ")).match, "last ")
    }))

  it.scoped("fails with the failure of the stream", () =>
    Effect.gen(function*() {
      const { output, stream } = yield* device
      const console = yield* Console.make(stream)
      yield* output.fail("cable cut")
      assert.strictEqual(yield* Effect.flip(console.expect("x")), "cable cut")
      assert.strictEqual(yield* Effect.flip(console.expect("x")), "cable cut")
    }))

  it.scoped("keeps the latest text only", () =>
    Effect.gen(function*() {
      const { say, stream } = yield* device
      const console = yield* Console.make(stream, { limit: 10 })
      yield* say("0123456789")
      yield* say("abcde")
      yield* Effect.repeatN(Effect.yieldNow(), 10)
      assert.deepStrictEqual(yield* console.transcript, [{ from: "device", text: "56789abcde" }])
      assert.strictEqual((yield* console.expect("e")).before, "56789abcd")
      yield* console.sendLine("12345678")
      assert.deepStrictEqual(yield* console.transcript, [
        { from: "device", text: "e" },
        { from: "client", text: "12345678\n" }
      ])
    }))

  it.scoped("takes expressions with a memory, and callers at the same time, in order", () =>
    Effect.gen(function*() {
      const { say, stream } = yield* device
      const console = yield* Console.make(stream)
      const global = /\d/g
      const all = yield* Effect.fork(
        Effect.all([console.expect(global), console.expect(global), console.expect(global)], { concurrency: 3 })
      )
      for (const digit of "123") yield* say(digit)
      assert.deepStrictEqual((yield* Fiber.join(all)).map(({ match }) => match), ["1", "2", "3"])
    }))

  it.scoped.prop(
    "finds the same whatever the chunks",
    {
      words: fc.array(
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((word) => !word.includes(";")),
        {
          minLength: 1,
          maxLength: 10
        }
      ),
      sizes: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 20 })
    },
    ({ sizes, words }) =>
      Effect.gen(function*() {
        const { say, stream } = yield* device
        const console = yield* Console.make(stream)
        const bytes = utf8(words.map((word) => `${word};;\n`).join(""))
        const speaker = yield* Effect.fork(Effect.gen(function*() {
          let index = 0
          for (let offset = 0; offset < bytes.length;) {
            const size = sizes[index++ % sizes.length]!
            yield* say(bytes.slice(offset, offset + size))
            yield* Effect.yieldNow()
            offset += size
          }
        }))
        for (const [index, word] of words.entries()) {
          const match = yield* index % 2 === 0 ? console.expect(";;\n") : console.expect(/(;);\n/)
          assert.strictEqual(match.before, word)
        }
        yield* Fiber.join(speaker)
        assert.deepStrictEqual(yield* console.transcript, [{ from: "device", text: text(bytes) }])
      })
  )
})

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

  it.scoped("converses by the script", () =>
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

  it.scoped("takes lines in pieces and with any end, and echoes when asked to", () =>
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

  it.scoped("boots, speaks up, hangs up, and knows who is connected", () =>
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

  it.scoped("forgets clients that went away in the middle of a line", () =>
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
