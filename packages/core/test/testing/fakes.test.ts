// Fakes that are used with the conveniences of their drivers; the others have a file of their own.
import { Device, Resource } from "@effect-jumpstarter/core"
import { DigitalInput, DigitalOutput, HttpServer, Opendal, Power, Shell } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, GpioTest, HttpServerTest, ShellTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import { connect } from "../drivers/support.ts"

describe("GpioTest", () => {
  const pin = Effect.gen(function*() {
    const fake = yield* GpioTest.make()
    const connection = yield* Layer.build(
      ExporterTest.layer({ output: fake.output, input: fake.input, power: fake.power })
    )
    const clients = yield* Effect.provide(
      Device.connectAll({
        output: [DigitalOutput.contract, "output"],
        input: [DigitalInput.contract, "input"],
        power: [Power.contract, "power"]
      }),
      connection
    )
    return { fake, ...clients }
  })

  const waited = (fake: GpioTest.GpioTest) =>
    Effect.repeat(Effect.yieldNow(), { until: () => Effect.map(fake.waiting, (count) => count > 0) })

  it.scoped("shows an input what an output does", () =>
    Effect.gen(function*() {
      const { fake, input, output, power } = yield* pin
      assert.strictEqual(yield* input.read_pin(), 0)
      yield* output.on()
      assert.strictEqual(yield* input.read_pin(), 1)
      yield* DigitalInput.waitForActive(input)
      yield* Power.cycle(power, { wait: 0 })
      assert.strictEqual(yield* power.read_pin(), 1)
      assert.strictEqual((yield* Effect.flip(Stream.runHead(power.read())))._tag, "MethodNotImplemented")
      yield* power.on()
      assert.deepStrictEqual(yield* fake.levels, [0, 1, 0, 1])
    }))

  it.scoped("waits for a level and for an edge", () =>
    Effect.gen(function*() {
      const { fake, input } = yield* pin
      const active = yield* Effect.fork(DigitalInput.waitForActive(input))
      yield* waited(fake)
      yield* fake.set(1)
      yield* Fiber.join(active)
      const rising = yield* Effect.fork(DigitalInput.waitForEdge(input, "rising"))
      yield* waited(fake)
      yield* fake.set(0)
      assert.strictEqual(yield* fake.waiting, 1)
      yield* fake.set(1)
      yield* Fiber.join(rising)
      assert.strictEqual(yield* fake.waiting, 0)
    }))

  it.scoped("gives up after the driver's timeout", () =>
    Effect.gen(function*() {
      const { fake, input } = yield* pin
      const waiting = yield* Effect.fork(Effect.flip(DigitalInput.waitForActive(input, { timeout: "3 seconds" })))
      yield* waited(fake)
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(waiting)
      assert.deepInclude(error, { _tag: "DriverError", code: "DEADLINE_EXCEEDED" })
      assert.strictEqual(yield* fake.waiting, 0)
    }))
})

describe("ShellTest", () => {
  it.scoped("runs its commands, and keeps how they were called", () =>
    Effect.gen(function*() {
      const fake = yield* ShellTest.make({
        hello: ({ args, env }) => `hello ${args.join(" ")} ${env["LANG"] ?? ""}\n`,
        fail: () => ({ stderr: "no\n", code: 2 }),
        count: () => Stream.make(["1\n", "", null] as const, ["2\n", "", null] as const, ["", "", 0] as const)
      })
      const shell = yield* connect(Shell.contract, fake.driver)
      assert.deepStrictEqual(yield* shell.get_methods(), ["hello", "fail", "count"])
      assert.deepStrictEqual(yield* Shell.run(shell, "hello", { args: ["a", "b"], env: { LANG: "C" } }), {
        stdout: "hello a b C\n",
        stderr: "",
        code: 0
      })
      assert.deepStrictEqual(yield* Shell.run(shell, "fail"), { stdout: "", stderr: "no\n", code: 2 })
      assert.strictEqual((yield* Shell.run(shell, "count")).stdout, "1\n2\n")
      assert.deepStrictEqual((yield* fake.invocations)[0], { command: "hello", args: ["a", "b"], env: { LANG: "C" } })
    }))

  it.scoped("refuses what the driver in Python refuses", () =>
    Effect.gen(function*() {
      const fake = yield* ShellTest.make({ hello: () => "" })
      const shell = yield* connect(Shell.contract, fake.driver)
      for (const command of ["nope", "toString"]) {
        const error = yield* Effect.flip(Shell.run(shell, command))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.include(error.message, `Method '${command}' not found in available methods: ['hello']`)
      }
      for (const name of ["PATH", "LD_PRELOAD", "BASH_FUNC_x"]) {
        const error = yield* Effect.flip(Shell.run(shell, "hello", { env: { [name]: "/" } }))
        assert.include(error.message, `'${name}' is blocked`)
      }
      assert.deepStrictEqual(yield* fake.invocations, [])
    }))
})

describe("HttpServerTest", () => {
  it.scoped("serves the files of its storage while it runs", () =>
    Effect.gen(function*() {
      const fake = yield* HttpServerTest.make({ files: { "index.html": "hello" } })
      const connection = yield* Layer.build(ExporterTest.layer({ http: fake.driver }))
      const { files, http } = yield* Effect.provide(
        Device.connectAll({ http: [HttpServer.contract, "http"], files: [Opendal.contract, "http.storage"] }),
        connection
      )
      assert.strictEqual(yield* http.get_url(), "http://192.0.2.1:0")
      assert.isUndefined(yield* fake.fetch("/index.html"))
      yield* http.start()
      const url = yield* HttpServer.putFile(http, files, "a dir/ü.bin", Resource.fromBytes(Uint8Array.of(1, 2, 3)))
      assert.strictEqual(url, "http://192.0.2.1:8080/a%20dir/%C3%BC.bin")
      assert.deepStrictEqual(yield* fake.fetch(url), Uint8Array.of(1, 2, 3))
      assert.strictEqual(new TextDecoder().decode(yield* fake.fetch("/index.html")), "hello")
      assert.isUndefined(yield* fake.fetch("/nope"))
      yield* http.stop()
      assert.isFalse(yield* fake.isRunning)
      assert.isUndefined(yield* fake.fetch(url))
      assert.deepStrictEqual(yield* fake.requests, [
        { path: "a dir/ü.bin", status: 200 },
        { path: "index.html", status: 200 },
        { path: "nope", status: 404 }
      ])
    }))
})
