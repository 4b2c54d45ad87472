// The contracts of the catalogue against the sources of the published driver packages.
import type { DriverInterface } from "@effect-jumpstarter/core"
import * as drivers from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"
import * as census from "../support/census.ts"

const contracts = Object.values(drivers).flatMap((module): ReadonlyArray<DriverInterface.Any> =>
  "contract" in module ? [module.contract] : []
)

// Labels that no package of this release has. The packages of Jumpstarter's main branch have them.
const unpublished: ReadonlySet<string> = new Set([
  "jumpstarter_driver_bt_peer.client.BtPeerClient",
  "jumpstarter_driver_cuttlefish.client.CuttlefishClient",
  "jumpstarter_driver_cuttlefish.client.CvdFlasherClient",
  "jumpstarter_driver_cuttlefish.client.CvdPowerClient",
  "jumpstarter_driver_video.client.VideoClient"
])

// Where a contract differs from what its drivers export, and why.
const deviations: Readonly<Record<string, { readonly differences: ReadonlyArray<string>; readonly why: string }>> = {
  "jumpstarter_driver_adb.client.AdbClient": {
    differences: ["connect_device: no driver has it", "disconnect_device: no driver has it"],
    why: "The main branch has them."
  },
  "jumpstarter_driver_can.client.CanClient": {
    differences: ["_send_periodic_internal: takes (_, _, _?, _?, _?), not (_, _, _?, _?)"],
    why: "The last parameter is a Python function, which no client can send: the driver asserts that it is None."
  },
  "jumpstarter_driver_flashers.client.BaseFlasherClient": {
    differences: ["setup_fls_binary: no driver has it", "set_dtb: takes (_), not (lent)"],
    why:
      "The main branch has `setup_fls_binary`. `set_dtb` only says that it is not implemented, but its parameter is a handle."
  },
  "jumpstarter_driver_pi_pico.client.PiPicoClient": {
    differences: ["dump: takes (_, _?), not (lent, _?)"],
    why: "`dump` only says that the drive cannot be read back, as the `dump` of any flasher would."
  },
  "jumpstarter_driver_power.client.PowerClient": {
    differences: ["read: a Call, not a StreamingCall"],
    why: "Tasmota's `read` has an empty body: it measures nothing, and Python's client cannot call it either."
  },
  "jumpstarter_driver_stlink_msd.client.StlinkMsdFlasherClient": {
    differences: ["dump: takes (_, _?), not (lent, _?)"],
    why: "`dump` only says that the drive cannot be read back, as the `dump` of any flasher would."
  },
  "jumpstarter_driver_ustreamer.client.UStreamerClient": {
    differences: ["stream_path: no driver has it"],
    why: "The main branch has it."
  }
}

// scripts/test.mjs says why, where it cannot run.
describe.skipIf(census.python === undefined)("the census of the published drivers", async () => {
  const classes = census.python === undefined ? [] : await census.read()
  const classesOf = (label: string) => classes.filter((driver) => driver.label === label)
  const labels = [...new Set(classes.map(({ label }) => label))].sort()

  it("finds the drivers that there are", () => {
    assert.strictEqual(labels.length, 47)
    assert.strictEqual(classes.length, 75)
  })

  it("has a contract for every label, and no other", () => {
    const described = contracts.map(({ client }) => client)
    assert.deepStrictEqual(labels.filter((label) => !described.includes(label)), [])
    assert.deepStrictEqual(described.filter((label) => !labels.includes(label) && !unpublished.has(label)), [])
  })

  for (const contract of contracts.filter(({ client }) => !unpublished.has(client))) {
    it(`has the methods of ${contract.client}`, () => {
      assert.deepStrictEqual(
        census.differences(contract, classesOf(contract.client)),
        deviations[contract.client]?.differences ?? []
      )
    })
  }

  for (const contract of contracts.filter(({ alsoSpokenBy }) => alsoSpokenBy.length > 0)) {
    it(`lets others speak for ${contract.client}`, () => {
      for (const label of contract.alsoSpokenBy) {
        for (const driver of classesOf(label)) assert.deepStrictEqual(census.gaps(contract, driver), [], driver.class)
      }
    })
  }

  it("would notice a method that a driver gains, loses or changes", () => {
    const [contract, driver] = [drivers.Flasher.contract, classesOf(drivers.Flasher.contract.client)[0]]
    if (driver === undefined) return assert.fail("no driver flashes")
    const { dump, flash } = driver.methods
    if (dump === undefined || flash === undefined) return assert.fail("no driver flashes and dumps")
    const seen = (methods: census.DriverClass["methods"]) => census.differences(contract, [{ ...driver, methods }])
    assert.deepStrictEqual(seen({ flash, dump: { ...dump, stub: true } }), [])
    assert.deepStrictEqual(seen({ flash }), ["dump: no driver has it"])
    assert.deepStrictEqual(seen({ flash, dump: { ...dump, stub: true }, erase: flash }), [
      "erase: the contract lacks it"
    ])
    assert.deepStrictEqual(seen({ flash, dump }), ["dump: all drivers have it"])
    assert.deepStrictEqual(seen({ flash: { ...flash, stub: true }, dump: { ...dump, stub: true } }), [
      "flash: some drivers lack it"
    ])
    assert.deepStrictEqual(
      seen({ flash: { ...flash, kind: "StreamingCall", parameters: [] }, dump: { ...dump, stub: true } }),
      ["flash: a StreamingCall, not a Call", "flash: takes (), not (lent, _?)"]
    )
  })
})
