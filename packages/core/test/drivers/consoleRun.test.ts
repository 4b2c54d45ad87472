import { ByteStream } from "@effect-jumpstarter/core"
import { Console } from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Stream, TestClock } from "effect"

// A shell that answers each line by a function of it, with or without an echo. `$?` of the line is `code`.
const shell = (answer: (command: string, mark: string) => string) =>
  Effect.flatMap(
    ByteStream.transform((input) =>
      input.pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.map((line) => {
          const [, command = "", mark = ""] = /^(.*); echo (exit\d+)=\$\?$/.exec(line) ?? []
          return answer(command, mark)
        }),
        Stream.encodeText
      )
    ),
    (stream) => Console.make(stream, { name: "board" })
  )

const prompt = "# "

describe("Console.run", () => {
  it.scoped.each(
    [
      ["without an echo", "", []],
      ["with an echo", "; echo exit0=$?", []],
      ["with an echo that a line editor broke", "; echo e\r\nxit0\r\n=$?", []]
    ] as const
  )("returns the output and the code %s", ([, echo]) =>
    Effect.gen(function*() {
      const console = yield* shell((command, mark) => {
        const echoed = echo === "" ? "" : `${command}${echo.replace("xit0", mark.slice(1)).replace("exit0", mark)}\r\n`
        return `${echoed}one\r\n\r\n  two\r\n${mark}=3\r\n# `
      })
      const result = yield* Console.run(console, "ls", { prompt })
      assert.deepStrictEqual(result, { lines: ["one", "", "  two"], code: 3 })
      // Nothing of the first command is left.
      assert.deepStrictEqual(yield* Console.run(console, "ls", { prompt }), result)
    }))

  it.scoped("keeps output that does not end with a line break", () =>
    Effect.gen(function*() {
      const console = yield* shell((_, mark) => `abc${mark}=0\r\n# `)
      assert.deepStrictEqual(yield* Console.run(console, "printf abc", { prompt }), { lines: ["abc"], code: 0 })
    }))

  it.scoped("returns no lines for a command that prints nothing", () =>
    Effect.gen(function*() {
      const console = yield* shell((command, mark) => `${command}; echo ${mark}=$?\r\n${mark}=0\r\n# `)
      assert.deepStrictEqual(yield* Console.run(console, "true", { prompt }), { lines: [], code: 0 })
    }))

  it.scoped("fails when the command takes too long, and when the device hangs up", () =>
    Effect.gen(function*() {
      const silent = yield* Console.make(
        ByteStream.make({ read: Stream.never, write: () => Effect.void, end: Effect.void })
      )
      const running = yield* Effect.fork(
        Effect.flip(Console.run(silent, "sleep 100", { prompt, timeout: "5 seconds" }))
      )
      yield* TestClock.adjust("5 seconds")
      const slow = yield* running
      assert(slow._tag === "ExpectError")
      assert.strictEqual(slow.reason, "Timeout")
      const gone = yield* Console.make(
        ByteStream.make({ read: Stream.empty, write: () => Effect.void, end: Effect.void })
      )
      const closed = yield* Effect.flip(Console.run(gone, "true", { prompt }))
      assert(closed._tag === "ExpectError")
    }))

  it.scoped("refuses a command that is not one line", () =>
    Effect.gen(function*() {
      const console = yield* shell(() => "")
      const error = yield* Effect.flip(Console.run(console, "a\nb", { prompt }))
      assert.strictEqual(error.message, "cannot send the command \"a\\nb\": it has a line break")
      assert.deepStrictEqual(yield* console.transcript, [])
    }))

  it.scoped("types a secret command, and shows it neither in the transcript nor in an error", () =>
    Effect.gen(function*() {
      const typed: Array<string> = []
      const console = yield* shell((command, mark) => {
        typed.push(command)
        return `${mark}=0\r\n# `
      })
      yield* Console.run(console, Redacted.make("login hunter2"), { prompt })
      assert.deepStrictEqual(typed, ["login hunter2"])
      assert.deepStrictEqual((yield* console.transcript)[0], { from: "client", text: "<redacted>\n" })
      const error = yield* Effect.flip(Console.run(console, Redacted.make("login\nhunter2"), { prompt }))
      assert.strictEqual(error.message, "cannot send the command \"<redacted>\": it has a line break")
    }))
})
