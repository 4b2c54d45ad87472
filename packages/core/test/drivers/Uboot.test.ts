import { Device } from "@effect-jumpstarter/core"
import { Console, Power, Serial, Uboot } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, UbootTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, TestClock } from "effect"

const places = {
  uboot: [Uboot.contract, "uboot"],
  power: [Power.contract, "uboot.power"],
  serial: [Serial.contract, "uboot.serial"]
} as const

const make = (options?: UbootTest.UbootTestOptions) =>
  Effect.gen(function*() {
    const fake = yield* UbootTest.make(options)
    const connection = yield* Layer.build(ExporterTest.layer({ uboot: fake.driver }))
    return { fake, board: yield* Effect.provide(Device.connectAll(places), connection) }
  })

const atPrompt = (options?: UbootTest.UbootTestOptions) =>
  Effect.gen(function*() {
    const { board, fake } = yield* make(options)
    return { fake, board, prompt: yield* Uboot.reboot(board, { wait: 0 }) }
  })

describe("Uboot.reboot", () => {
  it.scopedLive("switches the board off and on, stops the countdown, and closes the console with its scope", () =>
    Effect.gen(function*() {
      const { board, fake } = yield* make({ countdown: "1 hour" })
      yield* board.power.on()
      const transcript = yield* Effect.scoped(Effect.gen(function*() {
        const prompt = yield* Uboot.reboot(board, { wait: 0 })
        assert.strictEqual(yield* fake.state, "prompt")
        assert.strictEqual(yield* fake.connections, 1)
        return yield* prompt.console.transcript
      }))
      assert.include(transcript.map(({ text }) => text).join(""), "=> ")
      yield* Effect.repeat(Effect.yieldNow(), { until: () => Effect.map(fake.connections, (count) => count === 0) })
    }))

  it.scoped("fails with what the console showed when there is no prompt", () =>
    Effect.gen(function*() {
      const { board } = yield* make({ prompt: "U-Boot# " })
      const uboot = { get_prompt: () => Effect.succeed("\n=>") }
      const rebooting = yield* Effect.fork(
        Effect.exit(Uboot.reboot({ ...board, uboot }, { timeout: "5 seconds", wait: 0 }))
      )
      // The escape characters and the timeout follow the same clock.
      for (let i = 0; i < 100 && (yield* Fiber.poll(rebooting))._tag === "None"; i++) {
        yield* TestClock.adjust("100 millis")
        yield* Effect.yieldNow()
      }
      const exit = yield* Fiber.join(rebooting)
      const error = yield* Effect.flip(exit)
      assert.instanceOf(error, Console.ExpectError)
      assert.match(
        error.message,
        /^no match for \/\^=>\/m within 5s on the console "uboot\.serial"; unread text: .*U-Boot# /
      )
    }))

  it.scopedLive("waits out the time that the board stays off", () =>
    Effect.gen(function*() {
      const { board, fake } = yield* make()
      const rebooting = yield* Effect.fork(Uboot.reboot(board, { wait: "1 hour" }))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* fake.state, "off")
      yield* Fiber.interrupt(rebooting)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(rebooting)))
    }))
})

describe("the prompt of U-Boot", () => {
  it.scopedLive("runs commands, and returns the lines they print", () =>
    Effect.gen(function*() {
      const { fake, prompt } = yield* atPrompt({
        commands: { bdinfo: () => "relocaddr = 0x7ff\r\n\r\nbaudrate = 115200 bps\r\n", mw: () => "" }
      })
      assert.deepStrictEqual(yield* prompt.run("version"), ["U-Boot 2026.01"])
      assert.deepStrictEqual(yield* prompt.run("bdinfo"), ["relocaddr = 0x7ff", "", "baudrate = 115200 bps"])
      assert.deepStrictEqual(yield* prompt.run("mw 80000000 0 10"), [])
      const lines = (yield* fake.commands).map((line) => line.replace(/exit\d{6}/, "exitN"))
      assert.deepStrictEqual(lines.at(-1), "mw 80000000 0 10; echo exitN=$?")
    }))

  it.scopedLive("fails for an exit code other than 0, with the output", () =>
    Effect.gen(function*() {
      const { prompt } = yield* atPrompt()
      const error = yield* Effect.flip(prompt.run("frobnicate now"))
      assert(error._tag === "CommandFailed")
      assert.strictEqual(error.code, 1)
      assert.strictEqual(
        error.message,
        "the command \"frobnicate now\" on the device failed with code 1; it printed \"Unknown command 'frobnicate' - try 'help'\""
      )
      assert.include(error.stack ?? "", "Uboot.test.ts")
    }))

  it.scopedLive("refuses what is not one line, before it is sent", () =>
    Effect.gen(function*() {
      const { fake, prompt } = yield* atPrompt()
      const before = yield* fake.commands
      const error = yield* Effect.flip(prompt.run("version\nreset"))
      assert.strictEqual(error.message, "cannot send the command \"version\\nreset\": it has a line break")
      assert.strictEqual((yield* Effect.flip(prompt.setEnv("a", "b\nc")))._tag, "InvalidCommand")
      assert.strictEqual((yield* Effect.flip(prompt.run(" ")))._tag, "InvalidCommand")
      assert.deepStrictEqual(yield* fake.commands, before)
    }))

  it.scopedLive("sets, reads and removes variables, whatever their value", () =>
    Effect.gen(function*() {
      const { fake, prompt } = yield* atPrompt({ environment: { bootdelay: "2" } })
      const values = ["a b", "it's", "a; reset", "$foo", "x=y", "\"quoted\"", "back\\slash"]
      for (const value of values) {
        yield* prompt.setEnv("value", value)
        assert.strictEqual(yield* prompt.getEnv("value"), value)
      }
      assert.strictEqual(yield* prompt.getEnv("bootdelay"), "2")
      assert.isUndefined(yield* prompt.getEnv("nope"))
      yield* prompt.setEnvs({ bootdelay: undefined, serverip: "10.0.0.1" })
      assert.deepStrictEqual(Object.fromEntries(yield* fake.environment), {
        value: "back\\slash",
        serverip: "10.0.0.1"
      })
    }))

  it.scopedLive("gets addresses by DHCP without loading a file, and leaves autoload as it was", () =>
    Effect.gen(function*() {
      const { fake, prompt } = yield* atPrompt({
        environment: { autoload: "yes" },
        dhcp: { address: "10.1.2.3", gateway: "10.1.0.1", netmask: "255.255.240.0" }
      })
      assert.deepStrictEqual(yield* prompt.dhcp(), {
        address: "10.1.2.3",
        gateway: "10.1.0.1",
        netmask: "255.255.240.0",
        prefix: 20
      })
      const words = (yield* fake.commands).map((line) => line.replace(/; echo .*/, ""))
      assert.isBelow(words.indexOf("setenv autoload 'no'"), words.indexOf("dhcp"))
      assert.strictEqual((yield* fake.environment).get("autoload"), "yes")
    }))

  it.scopedLive("loads a file of the TFTP server, and fails without it", () =>
    Effect.gen(function*() {
      const { prompt } = yield* atPrompt({ files: { zImage: 4096 }, environment: { serverip: "10.0.0.1" } })
      yield* prompt.tftp("0x80200000", "zImage")
      const error = yield* Effect.flip(prompt.tftp("0x80200000", "nope"))
      assert(error._tag === "CommandFailed")
      assert.match(
        error.message,
        /^the command "tftpboot 0x80200000 nope" on the device failed with code 1; .*File not found/
      )
    }))

  it.scopedLive("leaves the console to what a command starts", () =>
    Effect.gen(function*() {
      const { fake, prompt } = yield* atPrompt({
        system: { greeting: "Starting kernel ...\r\n", prompt: "# ", run: (command) => `ran ${command}\r\n` }
      })
      yield* prompt.console.sendLine("bootz 0x80200000")
      yield* prompt.console.expect("# ")
      assert.strictEqual(yield* fake.state, "system")
      const { code, lines } = yield* Console.run(prompt.console, "uname -a", { prompt: "# " })
      assert.deepStrictEqual({ code, lines }, { code: 0, lines: ["ran uname -a"] })
    }))
})

describe("UbootTest", () => {
  it.scoped("boots by itself when nobody stops the countdown", () =>
    Effect.gen(function*() {
      const { board, fake } = yield* make({
        countdown: "3 seconds",
        system: { greeting: "Linux\r\n", prompt: "# ", run: () => "" }
      })
      yield* board.power.on()
      assert.strictEqual(yield* fake.state, "countdown")
      yield* TestClock.adjust("2999 millis")
      assert.strictEqual(yield* fake.state, "countdown")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* fake.state, "system")
      yield* board.power.off()
      assert.strictEqual(yield* fake.state, "off")
    }))

  it.scoped("forgets at a reset what was not there at the start", () =>
    Effect.gen(function*() {
      const { board, fake } = yield* make({ environment: { a: "1" } })
      const console = yield* Serial.console(board.serial)
      yield* board.power.on()
      yield* console.send(" ")
      yield* console.expect("=> ")
      yield* console.sendLine("setenv b 2")
      yield* console.expect("=> ")
      assert.deepStrictEqual([...(yield* fake.environment).keys()], ["a", "b"])
      yield* console.sendLine("reset")
      yield* console.expect("Hit any key")
      assert.deepStrictEqual([...(yield* fake.environment).keys()], ["a"])
    }))
})
