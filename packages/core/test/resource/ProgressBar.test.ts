import type { ProgressBar as Bar } from "@effect-jumpstarter/core"
import { ProgressBar, Resource } from "@effect-jumpstarter/core"
import type { TransferProgress } from "@effect-jumpstarter/core/Resource"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { execFileSync } from "node:child_process"
import { Writable } from "node:stream"

class Screen extends Writable implements Bar.ProgressOutput {
  text = ""
  constructor(readonly isTTY: boolean, readonly columns = 80) {
    super({
      write: (chunk, _encoding, callback) => {
        this.text += String(chunk)
        callback()
      }
    })
  }
  get lines() {
    return this.text.split("\n").slice(0, -1)
  }
  // The final text of each line after everything was drawn.
  get shown() {
    // eslint-disable-next-line no-control-regex
    return this.lines.map((line) => line.split(/\x1b\[1G/).at(-1)!.replaceAll(/\x1b\[\??[0-9;]*[A-Za-z]/g, ""))
  }
}

const at = (bytes: number, total: number | undefined, done = false): TransferProgress => ({
  bytes,
  total: Option.fromNullable(total),
  done
})

// One value every 100 ms, the first at once.
const paced = (values: ReadonlyArray<TransferProgress>) =>
  Stream.schedule(Stream.fromIterable(values), Schedule.spaced("100 millis"))

const runPaced = (values: ReadonlyArray<TransferProgress>, screen: Screen) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(ProgressBar.run(paced(values), { label: "flash", output: screen }))
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(fiber)
  })

const steps = (total: number, count: number) =>
  Array.from({ length: count }, (_, index) => at(total / count * (index + 1), total))

describe("ProgressBar", () => {
  it.effect("writes a line for every ten percent when there is no terminal", () =>
    Effect.gen(function*() {
      const screen = new Screen(false)
      yield* runPaced([...steps(8_000_000, 40), at(8_000_000, 8_000_000, true)], screen)
      assert.strictEqual(screen.lines.length, 10)
      assert.strictEqual(screen.lines[0], "flash 10 % (0.8 of 8.0 MB) at 2.0 MB/s")
      assert.match(screen.lines.at(-1)!, /^flash 100 % \(8\.0 of 8\.0 MB\) at [12]\.\d MB\/s in 4\.\d s$/)
      assert.notInclude(screen.text, "\x1b")
      assert.notInclude(screen.text, "\r")
    }))

  it.effect("skips the steps a fast transfer jumps over", () =>
    Effect.gen(function*() {
      const screen = new Screen(false)
      yield* runPaced([at(10, 1_000_000), at(550_000, 1_000_000), at(1_000_000, 1_000_000, true)], screen)
      assert.deepStrictEqual(screen.lines.map((line) => line.split(" (")[0]), ["flash 55 %", "flash 100 %"])
    }))

  it.effect("shows how far a transfer came that stopped early", () =>
    Effect.gen(function*() {
      const screen = new Screen(false)
      yield* runPaced([at(450_000, 1_000_000, true)], screen)
      assert.match(screen.text, /^flash 45 % \(0\.5 of 1\.0 MB\)/)
    }))

  it.effect("counts bytes when the size is unknown", () =>
    Effect.gen(function*() {
      const screen = new Screen(false)
      const values = Array.from({ length: 250 }, (_, index) => at((index + 1) * 1_000_000, undefined))
      yield* runPaced([...values, at(250_000_000, undefined, true)], screen)
      assert.strictEqual(screen.lines.length, 3)
      assert.match(screen.lines[0]!, /^flash 10\d\.0 MB at 10\.\d MB\/s$/)
      assert.match(screen.lines[2]!, /^flash 250\.0 MB at 10\.\d MB\/s in 25\.\d s$/)
    }))

  it.effect("calls an empty source complete", () =>
    Effect.gen(function*() {
      const screen = new Screen(false)
      yield* ProgressBar.run(Stream.make(at(0, 0, true)), { output: screen })
      assert.strictEqual(screen.text, "transfer 100 % (0.0 of 0.0 MB) at 0.0 MB/s in 0.0 s\n")
    }))

  it.effect("works in a pipe, with and without options", () =>
    Effect.gen(function*() {
      const screen = new Screen(false)
      const options = { label: "dump", output: screen }
      const done = [at(10, 10, true)]
      yield* Stream.fromIterable(done).pipe(ProgressBar.run(options))
      const shown = Resource.fromString("0123456789").pipe(ProgressBar.show(options))
      yield* shown.observe(Stream.fromIterable(done))
      yield* ProgressBar.show(shown, options).observe(Stream.empty)
      assert.deepStrictEqual(screen.lines, Array(2).fill("dump 100 % (0.0 of 0.0 MB) at 0.0 MB/s in 0.0 s"))
      assert.isTrue(Resource.isResource(Resource.toBytes().pipe(ProgressBar.show())))
      assert.isTrue(Resource.isResource(ProgressBar.show(Resource.toBytes())))
      yield* Stream.empty.pipe(ProgressBar.run())
    }))

  it.effect("fails with the stream's error", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ProgressBar.run(Stream.fail("broken"), { output: new Screen(true) }))
      assert.strictEqual(error, "broken")
    }))

  it.live("draws a bar on a terminal and leaves its last state", () =>
    Effect.gen(function*() {
      const screen = new Screen(true)
      yield* ProgressBar.run(
        Stream.concat(
          Stream.schedule(Stream.fromIterable(steps(16_000_000, 5)), Schedule.spaced("60 millis")),
          Stream.make(at(16_000_000, 16_000_000, true))
        ),
        { label: "flash", output: screen }
      )
      assert.strictEqual(screen.shown.length, 1)
      assert.match(screen.shown[0]!, /^flash █+ 100 % 16\.0\/16\.0 MB \d+\.\d MB\/s in \d\.\d s$/)
      assert.isAtMost(screen.shown[0]!.length, 80)
      assert.include(screen.text, "ETA")
      assert.include(screen.text, "░")
    }))

  it.live("fits a narrow terminal", () =>
    Effect.gen(function*() {
      const screen = new Screen(true, 60)
      yield* ProgressBar.run(Stream.make(at(250_000_000, 512_000_000, true)), { label: "flash", output: screen })
      assert.isAtMost(screen.shown[0]!.length, 60)
    }))

  it.live("draws no bar when the total is unknown", () =>
    Effect.gen(function*() {
      const screen = new Screen(true)
      yield* ProgressBar.run(Stream.make(at(5_000_000, undefined, true)), { label: "dump", output: screen })
      assert.match(screen.shown[0]!, /^dump 5\.0 MB \d+\.\d MB\/s in 0\.\d s$/)
    }))

  it.live("restores the cursor when interrupted, and ends the line", () =>
    Effect.gen(function*() {
      const screen = new Screen(true)
      const progress = Stream.concat(Stream.make(at(1_000_000, 2_000_000)), Stream.never)
      yield* Effect.timeoutOption(ProgressBar.run(progress, { output: screen }), "150 millis")
      assert.isBelow(screen.text.indexOf("\x1b[?25l"), screen.text.lastIndexOf("\x1b[?25h"))
      assert.isBelow(screen.text.indexOf("\x1b[?7l"), screen.text.lastIndexOf("\x1b[?7h"))
      assert.isTrue(screen.text.endsWith("\n"))
      assert.match(screen.shown[0]!, / 50 % 1\.0\/2\.0 MB/)
    }))

  it("loads cli-progress for the first bar, not with the package", () => {
    const program = `
      import { createRequire } from "node:module"
      import { ProgressBar } from "@effect-jumpstarter/core"
      import { Effect, Option, Stream } from "effect"
      const loaded = () => Object.keys(createRequire("/").cache).some((file) => file.includes("cli-progress"))
      const before = loaded()
      const progress = Stream.make({ bytes: 1, total: Option.some(1), done: true })
      await Effect.runPromise(ProgressBar.run(progress, { output: { isTTY: true, write: () => true } }))
      console.log(before, loaded())
    `
    const output = execFileSync(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
      cwd: new URL("../..", import.meta.url),
      encoding: "utf8"
    })
    assert.strictEqual(output.trim(), "false true")
  })
})
