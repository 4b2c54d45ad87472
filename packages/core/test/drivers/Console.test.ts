// Some tests are about patterns with an escape character.
/* eslint-disable no-control-regex */
import type { ByteStream } from "@effect-jumpstarter/core/ByteStream"
import { Console } from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Exit, FastCheck as fc, Fiber, Mailbox, Redacted, Scope, TestClock } from "effect"
import { text, utf8 } from "../support/bytes.ts"

// A device that sends the text that the test passes to `say`.
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

  it.scoped("types a secret that its transcript does not show", () =>
    Effect.gen(function*() {
      const { say, stream, written } = yield* device
      const console = yield* Console.make(stream)
      yield* say("Password: ")
      yield* console.expect("Password: ")
      yield* console.sendLine(Redacted.make("hunter2"))
      yield* console.send(Redacted.make("hunter3"))
      assert.deepStrictEqual(written, ["hunter2\n", "hunter3"])
      assert.deepStrictEqual(yield* console.transcript, [
        { from: "device", text: "Password: " },
        { from: "client", text: "<redacted>\n<redacted>" }
      ])
    }))

  it.scoped("finds the first match of several patterns, and returns the index of its pattern", () =>
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
      assert.include(
        String(yield* Fiber.join(waiting)),
        "no match for \"login: \" or /panic: (.*)\\n/ within 1s on the console"
      )
    }))

  it.scoped("passes text to onText as it arrives, in whole characters", () =>
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

  it.scoped("sends lines with the configured line end", () =>
    Effect.gen(function*() {
      const { stream, written } = yield* device
      const console = yield* Console.make(stream, { lineEnd: "\r" })
      yield* console.sendLine("é")
      yield* console.send("\x03")
      const plain = yield* Console.make(stream)
      yield* plain.sendLine("")
      assert.deepStrictEqual(written, ["é\r", "\x03", "\n"])
    }))

  it.scoped("times out on Effect's clock, reports the unread text, and stays usable", () =>
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
      assert.strictEqual(error.message, "no match for /login/i within 1m on the console; unread text: \"Kernel panic\"")
      assert.strictEqual((yield* console.expect("panic")).before, "Kernel ")
    }))

  it.scoped("fails when the device ends the stream, and keeps the text from before the end", () =>
    Effect.gen(function*() {
      const { output, say, stream } = yield* device
      const console = yield* Console.make(stream)
      const waiting = yield* Effect.fork(Effect.flip(console.expect("never")))
      yield* say("last words")
      yield* output.end
      const error = yield* Fiber.join(waiting)
      if (typeof error === "string") return assert.fail(error)
      assert.strictEqual(error.reason, "Closed")
      assert.include(
        error.message,
        "no match for \"never\" before the device closed the console; unread text: \"last words\""
      )
      assert.strictEqual((yield* console.expect("last ")).match, "last ")
    }))

  it.scoped("fails with the stream's failure", () =>
    Effect.gen(function*() {
      const { output, stream } = yield* device
      const console = yield* Console.make(stream)
      yield* output.fail("cable cut")
      assert.strictEqual(yield* Effect.flip(console.expect("x")), "cable cut")
      assert.strictEqual(yield* Effect.flip(console.expect("x")), "cable cut")
    }))

  it.scoped("keeps only the latest text", () =>
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

  it.scoped("accepts expressions with the flag g, and serves concurrent callers in order", () =>
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
    "finds the same matches for any chunking",
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

  it.scoped("finds a long match once the device pauses, and at the end of its stream", () =>
    Effect.gen(function*() {
      const { output, say, stream } = yield* device
      const console = yield* Console.make(stream)
      const dump = `BEGIN${".".repeat(50_000)}END\n`
      const send = (text: string) =>
        Effect.forEach(Chunk.chunksOf(Chunk.fromIterable(text), 1_000), (piece) => say(Chunk.join(piece, "")), {
          discard: true
        })
      const first = yield* Effect.fork(console.expect(/BEGIN[^]*END\n/))
      yield* send(dump)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(first)).match, dump)
      const second = yield* Effect.fork(console.expect(/BEGIN[^]*END\n/))
      yield* send(dump)
      yield* output.end
      assert.strictEqual((yield* Fiber.join(second)).match, dump)
    }))

  it.scoped("names the console in its errors", () =>
    Effect.gen(function*() {
      const { output, say, stream } = yield* device
      const named = yield* Console.make({ ...stream, name: "board.serial" })
      const waiting = yield* Effect.fork(Effect.flip(named.expect("$", { timeout: "1 second" })))
      yield* say("busy")
      yield* TestClock.adjust("1 second")
      assert.include(
        String(yield* Fiber.join(waiting)),
        "no match for \"$\" within 1s on the console \"board.serial\"; unread text"
      )
      yield* output.end
      const renamed = yield* Console.make({ ...stream, name: "board.serial" }, { name: "left board" })
      assert.include(
        String(yield* Effect.flip(renamed.expect("$"))),
        "before the device closed the console \"left board\"; unread text"
      )
      const root = yield* Console.make({ ...stream, name: "" })
      assert.include(
        String(yield* Effect.flip(root.expect("$"))),
        "before the device closed the console (root); unread text"
      )
    }))

  it.effect("shows nothing once it is closed, and closes while onText waits", () =>
    Effect.gen(function*() {
      const { say, stream } = yield* device
      const shown: Array<string> = []
      const stuck = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const console = yield* Scope.extend(
        Console.make(stream, {
          onText: (text) =>
            Effect.zipRight(
              Effect.sync(() => void shown.push(text)),
              text === "n" ? Effect.void : Effect.zipRight(Deferred.succeed(stuck, undefined), Effect.never)
            )
        }),
        scope
      )
      // The second half of the last character is missing.
      yield* say(utf8("né").subarray(0, 2))
      yield* console.expect("n")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(shown, ["n"])
      assert.deepStrictEqual(yield* console.transcript, [{ from: "device", text: "n" }])
    }))

  it.effect("closes while onText waits with the last text", () =>
    Effect.gen(function*() {
      const { output, say, stream } = yield* device
      const stuck = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      yield* Scope.extend(
        Console.make(stream, { onText: () => Effect.zipRight(Deferred.succeed(stuck, undefined), Effect.never) }),
        scope
      )
      yield* say(utf8("é").subarray(0, 1))
      yield* output.end
      yield* Deferred.await(stuck)
      yield* Scope.close(scope, Exit.void)
    }))

  describe("escape sequences", () => {
    const prompt = "\x1b[?2004h\x1b]0;root@board: ~\x07\x1b[01;32mroot@board\x1b[00m:\x1b[01;34m~\x1b[00m# "

    it.scoped("are hidden from patterns, and kept in the transcript", () =>
      Effect.gen(function*() {
        const { say, stream } = yield* device
        const shown: Array<string> = []
        const console = yield* Console.make(stream, { onText: (text) => Effect.sync(() => void shown.push(text)) })
        const said = `\ufefflogin ok\r\n${prompt}`
        yield* say(said)
        assert.deepStrictEqual(yield* console.expect(/^root@board:(~)# /m), {
          before: "login ok\r\n",
          match: "root@board:~# ",
          groups: ["~"],
          index: 0
        })
        assert.deepStrictEqual(yield* console.transcript, [{ from: "device", text: said }])
        assert.deepStrictEqual(shown, [said])
      }))

    it.scoped("are visible to patterns with `escapes: visible`", () =>
      Effect.gen(function*() {
        const { say, stream } = yield* device
        const console = yield* Console.make(stream, { escapes: "visible" })
        yield* say("\ufeffwhere?\x1b[6n")
        assert.deepStrictEqual(yield* console.expect(/\x1b\[6n/), {
          before: "\ufeffwhere?",
          match: "\x1b[6n",
          groups: [],
          index: 0
        })
      }))

    it.scoped.each(["\x1b[6n", /\x1b\[6n/, /\u001b\[6n/, new RegExp("\x1b\\[6n")])(
      "are named in the error of a pattern with an escape character: %s",
      (pattern) =>
        Effect.gen(function*() {
          const { output, say, stream } = yield* device
          const console = yield* Console.make(stream)
          yield* say("where?\x1b[6n")
          yield* output.end
          assert.include(
            String(yield* Effect.flip(console.expect(pattern))),
            "unread text: \"where?\" (the pattern has an escape character;"
          )
        })
    )

    it.scoped("are not named in the error of a pattern without an escape character", () =>
      Effect.gen(function*() {
        const { output, stream } = yield* device
        const console = yield* Console.make(stream)
        yield* output.end
        assert.notInclude(String(yield* Effect.flip(console.expect("\\x1a"))), "escape")
      }))
  })
})
