// Virtual machines, simulated boards, and drivers whose program runs on the client's machine.
import { Resource } from "@effect-jumpstarter/core"
import {
  AndroidEmulator,
  Flasher,
  Network,
  Power,
  Qemu,
  QemuFlasher,
  Renode,
  Serial,
  Ssh,
  SshMount,
  Tmt
} from "@effect-jumpstarter/core/drivers"
import { FlasherTest, PowerTest, SerialTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted } from "effect"
import { text, utf8 } from "../support/bytes.ts"
import { logged } from "../support/leaseBench.ts"
import { broken, connect, nothing, recording } from "./support.ts"

const machine = Effect.gen(function*() {
  const supply = yield* PowerTest.make()
  const serial = yield* SerialTest.make({ banner: "Linux\r\n", prompt: "# " })
  const flasher = yield* FlasherTest.make({ targets: ["root", "bios", "sysbus LoadBinary"] })
  const { calls, driver } = recording(Qemu.contract.client, {
    set_disk_size: nothing,
    set_memory_size: nothing,
    get_username: { value: "jumpstarter" },
    get_password: { value: "secret" }
  })
  return {
    calls,
    supply,
    flasher,
    clients: {
      qemu: yield* connect(Qemu.contract, driver),
      power: yield* connect(Power.contract, supply.driver),
      console: yield* connect(Serial.contract, serial.driver),
      flasher: yield* connect(Flasher.contract, flasher.driver)
    }
  }
})

const network = connect(Network.contract, recording(Network.contract.client, {}).driver)

describe("Qemu", () => {
  it.scoped("writes images, sets sizes, starts the machine, and stops it with the scope", () =>
    Effect.gen(function*() {
      const { calls, clients, flasher, supply } = yield* machine
      yield* Effect.scoped(Effect.gen(function*() {
        const console = yield* Qemu.boot(clients, {
          images: { root: Resource.fromBytes(utf8("disk")), bios: Resource.fromBytes(utf8("u-boot")) },
          disk: "20G",
          memory: "512MiB"
        })
        yield* console.expect("# ")
        assert.isTrue(yield* supply.isOn)
      }))
      assert.isFalse(yield* supply.isOn)
      assert.deepStrictEqual(
        (yield* flasher.flashed).map(({ bytes, target }) => [target, text(bytes)]),
        [["bios", "u-boot"], ["root", "disk"]]
      )
      assert.deepStrictEqual(calls, [["set_disk_size", "20G"], ["set_memory_size", "512MiB"]])
    }))

  it.scoped("refuses a size that QEMU would not understand, before anything starts", () =>
    Effect.gen(function*() {
      const { calls, clients, supply } = yield* machine
      const error = yield* Effect.flip(Effect.scoped(Qemu.boot(clients, { memory: "a lot" })))
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.include(error.message, "a size is a number with a unit, such as 512M or 20G")
      assert.deepStrictEqual(calls, [])
      assert.isFalse(yield* supply.isOn)
    }))

  it.scoped("forwards a port to SSH, and keeps the password to itself", () =>
    Effect.gen(function*() {
      const { clients } = yield* machine
      const login = yield* Qemu.forwardSsh({ ...clients, ssh: yield* network })
      assert.strictEqual(login.username, "jumpstarter")
      assert.strictEqual(Redacted.value(login.password), "secret")
      assert.notInclude(JSON.stringify(login), "secret")
      assert.isAbove(login.port, 0)
    }))
})

describe("QemuFlasher.flashOci", () => {
  it.scoped("shows the output, and passes the credentials", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(QemuFlasher.contract.client, {
        flash_oci: { items: [["10 %\n", "", null], ["", "slow\n", null], ["", "", 0]] }
      })
      const flasher = yield* connect(QemuFlasher.contract, driver)
      const output: Array<string> = []
      yield* QemuFlasher.flashOci(flasher, "oci://registry.example/image:1", {
        username: "me",
        password: Redacted.make("secret"),
        onOutput: (text) => Effect.sync(() => output.push(text))
      })
      assert.deepStrictEqual(output, ["10 %\n", "slow\n"])
      assert.deepStrictEqual(calls, [["flash_oci", "oci://registry.example/image:1", null, "me", "secret"]])
    }))
})

describe("Renode", () => {
  it.scoped("loads a program, starts the simulation, and stops it with the scope", () =>
    Effect.gen(function*() {
      const { clients, flasher, supply } = yield* machine
      yield* Effect.scoped(Effect.gen(function*() {
        const console = yield* Renode.boot(clients, {
          firmware: Resource.fromBytes(utf8("zephyr")),
          loadCommand: "sysbus LoadBinary"
        })
        yield* console.expect("Linux")
        assert.isTrue(yield* supply.isOn)
      }))
      assert.isFalse(yield* supply.isOn)
      assert.deepStrictEqual((yield* flasher.flashed).map(({ target }) => target), ["sysbus LoadBinary"])
    }))

  it.scoped("does not start what it could not load", () =>
    Effect.gen(function*() {
      const { clients, flasher, supply } = yield* machine
      yield* flasher.failAfter(3)
      const exit = yield* Effect.exit(
        Effect.scoped(
          Renode.boot(clients, { firmware: Resource.fromBytes(utf8("zephyr")), loadCommand: "sysbus LoadBinary" })
        )
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(yield* supply.events, [])
    }))
})

describe("AndroidEmulator", () => {
  it.scoped("starts the emulator, forwards its ADB server, and stops it with the scope", () =>
    Effect.gen(function*() {
      const { clients: { power }, supply } = yield* machine
      const { calls, driver } = recording(AndroidEmulator.contract.client, { set_headless: nothing })
      const phone = { emulator: yield* connect(AndroidEmulator.contract, driver), power, adb: yield* network }
      yield* Effect.scoped(Effect.gen(function*() {
        const { host, port } = yield* AndroidEmulator.boot(phone, { headless: false })
        assert.strictEqual(host, "127.0.0.1")
        assert.isAbove(port, 0)
        assert.isTrue(yield* supply.isOn)
      }))
      assert.isFalse(yield* supply.isOn)
      assert.deepStrictEqual(calls, [["set_headless", false]])
    }))
})

describe("a machine that a scope holds", () => {
  it.scoped("shows in the log that it did not stop", () =>
    Effect.gen(function*() {
      const { clients } = yield* machine
      const { calls, driver } = recording(Power.contract.client, { on: nothing, off: { run: broken } })
      const board = { ...clients, power: yield* connect(Power.contract, driver) }
      const emulator = yield* connect(AndroidEmulator.contract, recording(AndroidEmulator.contract.client, {}).driver)
      const messages: Array<string> = []
      yield* Effect.all([
        Effect.scoped(Qemu.boot(board)),
        Effect.scoped(Renode.boot(board)),
        Effect.scoped(AndroidEmulator.boot({ emulator, power: board.power, adb: yield* network }))
      ]).pipe(Effect.provide(logged(messages)))
      assert.deepStrictEqual(calls, [["on"], ["off"], ["on"], ["off"], ["on"], ["off"]])
      assert.deepStrictEqual(messages, [
        "WARN the power of a virtual machine could not be released",
        "WARN the power of a simulated board could not be released",
        "WARN the power of an emulator could not be released"
      ])
    }))
})

describe("Tmt", () => {
  const guest: Tmt.Guest = {
    host: "127.0.0.1",
    port: 2222,
    username: "root",
    password: Redacted.make("pw"),
    rebootCommand: "j power cycle"
  }
  const step = ["provision", "-h", "connect", "-g", "127.0.0.1", "-P", "2222", "-u", "root", "-p", "pw"]
  const reboot = ["--feeling-safe", "--hard-reboot", "j power cycle"]

  it("replaces the step provision, wherever it is, or adds it to a run", () => {
    assert.deepStrictEqual(Tmt.withProvision(["run", "-a"], guest), ["run", "-a", ...step, ...reboot])
    assert.deepStrictEqual(
      Tmt.withProvision(["-c", "arch=x", "run", "provision", "-h", "local", "-u", "me", "plan", "-vv"], guest),
      ["-c", "arch=x", "run", ...step, ...reboot, "plan", "-vv"]
    )
    assert.deepStrictEqual(Tmt.withProvision(["run", "provision", "-h", "local"], guest), ["run", ...step, ...reboot])
    assert.deepStrictEqual(Tmt.withProvision(["lint"], guest), ["lint"])
    assert.deepStrictEqual(
      Tmt.withProvision(["run"], { ...guest, username: "", password: Redacted.make(""), rebootCommand: "" }),
      ["run", "provision", "-h", "connect", "-g", "127.0.0.1", "-P", "2222"]
    )
  })

  it.scoped("forwards a port to the device, and has the driver's defaults", () =>
    Effect.gen(function*() {
      const { driver } = recording(Tmt.contract.client, {
        get_reboot_cmd: { value: "j power cycle" },
        get_default_user_pass: { value: ["root", "pw"] }
      })
      const found = yield* Tmt.provision({ tmt: yield* connect(Tmt.contract, driver), ssh: yield* network })
      assert.deepStrictEqual({ ...found, port: 2222 }, guest)
      assert.isAbove(found.port, 0)
    }))
})

describe("SshMount", () => {
  it.scoped("has the arguments of sshfs while a port is forwarded", () =>
    Effect.gen(function*() {
      const { driver } = recording(Ssh.contract.client, { get_default_username: { value: "root" } })
      const device = { ssh: yield* connect(Ssh.contract, driver), tcp: yield* network }
      const args = yield* SshMount.sshfs(device, {
        mountpoint: "/mnt/board",
        remotePath: "/data",
        identityFile: "/tmp/key",
        options: ["reconnect"]
      })
      assert.deepStrictEqual(args.map((arg) => /^\d+$/.test(arg) ? "PORT" : arg), [
        ...["root@127.0.0.1:/data", "/mnt/board", "-p", "PORT", "-o", "reconnect"],
        ...["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"],
        ...["-o", "IdentityFile=/tmp/key"]
      ])
    }))
})
