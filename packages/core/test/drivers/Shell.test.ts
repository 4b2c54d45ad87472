import { Device, Driver, DriverFailure } from "@effect-jumpstarter/core"
import { Composite, DigitalInput, DigitalOutput, Power, Shell, Ssh } from "@effect-jumpstarter/core/drivers"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Stream } from "effect"
import { connect, nothing, recording } from "./support.ts"

describe("Shell", () => {
  it.scoped("collects the output of a command, and returns its code as a result", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Shell.contract.client, {
        get_methods: { value: ["ls", "flash"] },
        call_method: { items: [["one\n", "", null], ["", "oops\n", null], ["two\n", "", 3]] }
      })
      const shell = yield* connect(Shell.contract, driver)
      assert.deepStrictEqual(yield* shell.get_methods(), ["ls", "flash"])
      const result = yield* Shell.run(shell, "ls", { args: ["-l", "/"], env: { LANG: "C" } })
      assert.deepStrictEqual(result, { stdout: "one\ntwo\n", stderr: "oops\n", code: 3 })
      yield* Shell.run(shell, "ls")
      assert.deepStrictEqual(calls, [
        ["get_methods"],
        ["call_method", "ls", { LANG: "C" }, "-l", "/"],
        ["call_method", "ls", {}]
      ])
    }))

  it.scoped("accepts any number of arguments", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Shell.contract.client, { call_method: { items: [] } })
      const shell = yield* connect(Shell.contract, driver)
      const args = Array.from({ length: 100 }, (_, index) => String(index))
      const result = yield* Shell.run(shell, "echo", { args })
      assert.deepStrictEqual(result, { stdout: "", stderr: "", code: null })
      assert.deepStrictEqual(calls, [["call_method", "echo", {}, ...args]])
    }))

  it.scoped("streams output as it arrives from a host with the contract", () =>
    Effect.gen(function*() {
      const driver = Driver.fromInterface(Shell.contract, {
        get_methods: () => Effect.succeed(["count"]),
        call_method: (method, env, ...words) =>
          method === "count"
            ? Stream.make(
              [`${words.length}`, JSON.stringify(env), null] as const,
              ["", "", 0] as const
            )
            : Stream.fail(DriverFailure.make("InvalidArgument", `Method '${method}' not found`))
      })
      const shell = yield* connect(Shell.contract, driver)
      assert.deepStrictEqual(yield* Shell.run(shell, "count", { args: ["a", "b"], env: { A: "1" } }), {
        stdout: "2",
        stderr: "{\"A\":\"1\"}",
        code: 0
      })
      assert.strictEqual((yield* Effect.flip(Shell.run(shell, "rm")))._tag, "InvalidArgument")
    }))
})

describe("DigitalOutput and DigitalInput", () => {
  it.scoped("switches and reads an output, and power cycles it", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(DigitalOutput.contract.client, {
        on: nothing,
        off: nothing,
        read_pin: { value: 1 }
      })
      const pin = yield* connect(DigitalOutput.contract, driver)
      assert.strictEqual(yield* pin.read_pin(), 1)
      yield* Power.cycle(pin, { wait: 0 })
      assert.deepStrictEqual(calls, [["read_pin"], ["off"], ["on"]])
    }))

  it.scoped("sends timeouts in seconds, and no argument without a timeout", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(DigitalInput.contract.client, {
        wait_for_active: nothing,
        wait_for_inactive: { run: DriverFailure.make("Timeout", "no edge") },
        wait_for_edge: nothing
      })
      const pin = yield* connect(DigitalInput.contract, driver)
      yield* DigitalInput.waitForActive(pin)
      yield* DigitalInput.waitForActive(pin, { timeout: Duration.infinity })
      yield* DigitalInput.waitForActive(pin, { timeout: "1500 millis" })
      yield* DigitalInput.waitForEdge(pin, "falling", { timeout: "1 minute" })
      yield* DigitalInput.waitForEdge(pin, "rising")
      const error = yield* Effect.flip(DigitalInput.waitForInactive(pin, { timeout: "2 seconds" }))
      assert.strictEqual(error.code, "DEADLINE_EXCEEDED")
      assert.deepStrictEqual(calls, [
        ["wait_for_active"],
        ["wait_for_active"],
        ["wait_for_active", 1.5],
        ["wait_for_edge", "falling", 60],
        ["wait_for_edge", "rising"],
        ["wait_for_inactive", 2]
      ])
    }))
})

describe("Ssh and Composite", () => {
  it.scoped("returns the login settings, with and without an identity", () =>
    Effect.gen(function*() {
      for (const identity of ["-----BEGIN KEY-----", null]) {
        const { driver } = recording(Ssh.contract.client, {
          get_default_username: { value: "root" },
          get_ssh_command: { value: "ssh -o X=y" },
          get_ssh_identity: { value: identity }
        })
        const ssh = yield* connect(Ssh.contract, driver)
        assert.deepStrictEqual(yield* Ssh.login(ssh), { username: "root", command: "ssh -o X=y", identity })
      }
    }))

  it.scoped("finds a composite, and its children by their paths", () =>
    Effect.gen(function*() {
      const board = Driver.composite({ power: recording(Power.contract.client, { on: nothing }).driver })
      yield* Effect.gen(function*() {
        yield* Device.connect(Composite.contract, "board")
        const power = yield* Device.connect(Power.contract, "board.power")
        yield* power.on()
        const error = yield* Effect.flip(Device.connect(Composite.contract, "board.power"))
        assert.strictEqual(error._tag, "InterfaceMismatch")
      }).pipe(Effect.provide(ExporterTest.layer({ board })))
    }))
})
