// How programs end, and what those that await see of a failure: the claims of docs/running.md.
import { Device, Driver, DriverFailure } from "@effect-jumpstarter/core"
import { Power } from "@effect-jumpstarter/core/drivers"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it, layer } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, ManagedRuntime, Runtime } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as process_ from "../support/process.ts"
import * as program from "../support/program.ts"

class BoardPower extends Device.Tag("acme/BoardPower", Power.contract)<BoardPower>() {}

describe("a failure of runPromise", () => {
  const power = Driver.fromInterface(Power.contract, {
    on: () => DriverFailure.make("Device", "the relay is stuck"),
    off: () => Effect.void
  })
  const on = Effect.flatMap(BoardPower, (power) => power.on())

  const use = async (body: (runtime: ManagedRuntime.ManagedRuntime<BoardPower, unknown>) => Promise<void>) => {
    const runtime = ManagedRuntime.make(Layer.provide(BoardPower.layer("power"), ExporterTest.layer({ power })))
    await body(runtime)
    await runtime.dispose()
  }

  const caught = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(() => assert.fail("it succeeded"), (error: unknown) => error)

  it("is a FiberFailure, which has the message, and the tag in its name only", () =>
    use(async (runtime) => {
      const failure = await caught(runtime.runPromise(on))
      assert.isTrue(Runtime.isFiberFailure(failure))
      assert.instanceOf(failure, Error)
      assert.strictEqual(failure.name, "(FiberFailure) DriverError")
      assert.include(failure.message, "the relay is stuck")
      assert.notProperty(failure, "_tag")
    }))

  it("is the error itself, with its tag, as a value and in an exit", () =>
    use(async (runtime) => {
      const either = await runtime.runPromise(Effect.either(on))
      assert.strictEqual(either._tag === "Left" && either.left._tag, "DriverError")
      assert.strictEqual((await runtime.runPromise(Effect.flip(on)))._tag, "DriverError")
      const exit = await runtime.runPromiseExit(on)
      const thrown = await caught(
        Promise.resolve(exit).then(Exit.getOrElse((cause) => {
          throw Cause.squash(cause)
        }))
      )
      assert.deepInclude(thrown, { _tag: "DriverError", driver: "power", method: "on" })
    }))
})

class Server extends Context.Tag("test/running/Server")<Server, string>() {}

const server = Layer.scoped(
  Server,
  Effect.map(Effect.suspend(() => process_.start(process_.typescript())), ({ ready }) => ready.unix)
)

type Ending = { readonly code: number | null; readonly signal: string | null; readonly output: string }

// Runs the program until it is ready, and sends it a signal if there is one.
const run = (what: string, signal?: NodeJS.Signals) =>
  Effect.flatMap(Server, (path) =>
    Effect.promise(async (): Promise<Ending> => {
      const child = spawn(process.execPath, [program.path("mainClient"), path, what], {
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 20_000,
        killSignal: "SIGKILL"
      })
      let output = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text
        if (signal !== undefined && text.includes("ready")) child.kill(signal)
      })
      const [code, by] = await once(child, "close")
      return { code, signal: by, output }
    }))

layer(server, { excludeTestServices: true, timeout: "30 seconds" })("a program", (it) => {
  it.effect(
    "of runMain closes its scopes on Ctrl-C and on SIGTERM, and its exit code is 0",
    () =>
      Effect.gen(function*() {
        for (const signal of ["SIGINT", "SIGTERM"] as const) {
          assert.deepStrictEqual(yield* run("main", signal), { code: 0, signal: null, output: "ready\nreleased\n" })
        }
      }),
    60_000
  )

  it.effect(
    "has another exit code with a teardown",
    () =>
      Effect.map(
        run("teardown", "SIGINT"),
        (ending) => assert.deepStrictEqual(ending, { code: 130, signal: null, output: "ready\nreleased\n" })
      ),
    30_000
  )

  it.effect(
    "is ended by SIGHUP, without closing its scopes",
    () =>
      Effect.map(
        run("main", "SIGHUP"),
        (ending) => assert.deepStrictEqual(ending, { code: null, signal: "SIGHUP", output: "ready\n" })
      ),
    30_000
  )

  it.effect(
    "that awaits ends by itself, with a reconnect schedule when its runtime is disposed of",
    () =>
      Effect.gen(function*() {
        for (const what of ["left", "disposed"]) {
          assert.deepStrictEqual(yield* run(what), { code: 0, signal: null, output: "ready\n" })
        }
      }),
    60_000
  )

  it.effect(
    "that does not dispose of a runtime with a reconnect schedule is kept alive",
    () =>
      Effect.map(
        run("kept"),
        (ending) => assert.deepStrictEqual(ending, { code: 0, signal: null, output: "ready\nalive\n" })
      ),
    30_000
  )
})
