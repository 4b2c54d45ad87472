import { Adb } from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { connect, recording } from "./support.ts"

const listed = `* daemon started successfully
List of devices attached
emulator-5554          device product:sdk model:Pixel_9 device:emu64 transport_id:1
192.168.0.7:5555       offline transport_id:2
8A2X                   no permissions (missing udev rules); see [http://developer.android.com] usb:1-2 transport_id:3

`

describe("Adb", () => {
  it.scoped("lists the devices", () =>
    Effect.gen(function*() {
      const listing = (value: string) =>
        Effect.flatMap(
          connect(Adb.contract, recording(Adb.contract.client, { list_devices: { value } }).driver),
          Adb.devices
        )
      const devices = yield* listing(listed)
      assert.deepStrictEqual(devices.map(({ serial, state }) => [serial, state]), [
        ["emulator-5554", "device"],
        ["192.168.0.7:5555", "offline"],
        ["8A2X", "no permissions"]
      ])
      assert.deepStrictEqual(devices[0]?.properties, {
        product: "sdk",
        model: "Pixel_9",
        device: "emu64",
        transport_id: "1"
      })
      assert.deepStrictEqual(yield* listing(listed.replaceAll("\n", "\r\n")), devices)
    }))

  it.scoped("fails when adb did", () =>
    Effect.gen(function*() {
      const { driver } = recording(Adb.contract.client, { list_devices: { value: "Error: exit status 1" } })
      const error = yield* Effect.flip(Adb.devices(yield* connect(Adb.contract, driver)))
      assert.strictEqual(error.message, "adb on the exporter could not list the devices: exit status 1")
    }))

  it.scoped("connects the server to devices, where the driver can", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Adb.contract.client, {
        connect_device: { value: "connected to 10.0.0.7:5555" },
        disconnect_device: { value: "disconnected 10.0.0.7:5555" }
      })
      const adb = yield* connect(Adb.contract, driver)
      assert.strictEqual(yield* adb.connect_device("10.0.0.7:5555"), "connected to 10.0.0.7:5555")
      assert.strictEqual(yield* adb.disconnect_device("10.0.0.7:5555"), "disconnected 10.0.0.7:5555")
      assert.strictEqual((yield* Effect.flip(adb.connect_device("")))._tag, "InvalidArgument")
      assert.deepStrictEqual(calls, [["connect_device", "10.0.0.7:5555"], ["disconnect_device", "10.0.0.7:5555"]])
      const old = yield* connect(Adb.contract, recording(Adb.contract.client, {}).driver)
      assert.strictEqual((yield* Effect.flip(old.connect_device("10.0.0.7:5555")))._tag, "MethodNotImplemented")
    }))

  it.scopedLive("forwards a port, and names it for the adb of this machine", () =>
    Effect.gen(function*() {
      const { driver } = recording(Adb.contract.client, {})
      const { env, host, port } = yield* Adb.forward(yield* connect(Adb.contract, driver))
      assert.deepStrictEqual(env, { ANDROID_ADB_SERVER_ADDRESS: host, ANDROID_ADB_SERVER_PORT: String(port) })
    }))
})
