import { DriverError, DriverInterface, DriverMethod } from "@effect-jumpstarter/core"
import * as drivers from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"

// test/interop/census.test.ts compares the methods with those of the published drivers.
describe("the catalogue", () => {
  const contracts = Object.values(drivers).flatMap((module): ReadonlyArray<DriverInterface.Any> =>
    "contract" in module ? [module.contract] : []
  )

  it("has one contract for a label", () => {
    const labels = contracts.map(({ client }) => client)
    assert.strictEqual(new Set(labels).size, labels.length)
    for (const { alsoSpokenBy, client } of contracts) {
      for (const label of [client, ...alsoSpokenBy]) {
        assert.match(label, /^jumpstarter(_driver_\w+)?\.client\.\w+(\.\w+)?$/)
      }
      assert.strictEqual(new Set([client, ...alsoSpokenBy]).size, alsoSpokenBy.length + 1)
    }
  })

  it("lets a label speak for a more general one only if it has the methods", () => {
    for (const general of contracts) {
      const special = contracts.filter(({ client }) => general.alsoSpokenBy.includes(client))
      for (const { client, methods } of special) {
        for (const [name, method] of Object.entries(general.methods)) {
          if (method.options.optional !== true) {
            assert.strictEqual(methods[name]?._tag, method._tag, `${client}.${name}`)
          }
        }
      }
    }
  })

  // The methods of each label for which a check holds.
  const methodsWhere = (holds: (method: DriverMethod.Any, name: string) => boolean) =>
    Object.fromEntries(contracts.flatMap(({ client, methods }): ReadonlyArray<readonly [string, string]> => {
      const names = Object.entries(methods).flatMap(([name, method]) => holds(method, name) ? [name] : [])
      return names.length === 0 ? [] : [[client.split(".").slice(-1).join(), names.join(" ")]]
    }))

  it("marks all calls as idempotent except those whose repetition has an effect", () => {
    assert.deepStrictEqual(
      methodsWhere(({ _tag, options }) => _tag === "Call" && options.idempotent !== true),
      {
        BtPeerClient: "start_peer wait_disconnection pair connect_to",
        CanClient: "_recv_internal send _send_periodic_internal _start_task _stop_task flush_tx_buffer",
        CuttlefishClient: "restart_cvd powerbtn_cvd create_cvd delete_cvd",
        CvdPowerClient: "off",
        DigitalInputClient: "wait_for_edge",
        DoIPDriverClient: "send_diagnostic receive_diagnostic",
        ISCSIServerClient: "remove_lun",
        IsoTpClient: "start stop send recv stop_sending stop_receiving",
        MitmproxyClient: "start",
        OpendalClient: "open file_read file_write file_seek rename",
        PowerClient: "rescue",
        PySerialClient: "close",
        RenodeClient: "monitor_cmd",
        RideSXClient: "flash_with_fastboot flash_oci_image",
        RideSXPowerClient: "rescue",
        SomeIpDriverClient: "rpc_call send_message receive_message receive_event",
        UdsClient: "ecu_reset request_seed send_key start_routine authentication request_file_transfer",
        VirtualPowerClient: "off",
        XcpClient: "build_checksum alloc_daq alloc_odt alloc_odt_entry write_daq program_start program program_reset"
      }
    )
  })

  it("calls a method destructive if it can lose what no call brings back", () => {
    assert.deepStrictEqual(
      methodsWhere((method) => DriverMethod.effectOf(method) === "destructive"),
      {
        CanClient: "shutdown",
        CuttlefishClient: "powerwash_cvd delete_cvd reset_host",
        CvdFlasherClient: "flash flash_oci",
        CvdPowerClient: "off",
        Esp32FlasherClient: "flash erase",
        FlasherClient: "flash",
        ISCSIServerClient: "decompress",
        MitmproxyClient:
          "clear_mocks clear_state load_mock_scenario load_mock_scenario_content clear_captured_requests clean_capture_spool upload_mock_file",
        OBDClient: "clear_dtc",
        OpendalClient: "open file_write copy rename remove_all delete",
        PiPicoClient: "flash",
        ProbeRsClient: "erase download",
        QemuFlasherClient: "flash flash_oci",
        RideSXClient: "flash_with_fastboot flash_oci_image erase_partition",
        StlinkMsdFlasherClient: "flash",
        StorageMuxClient: "write",
        StorageMuxFlasherClient: "write",
        UdsClient: "write_data_by_identifier clear_dtc start_routine request_file_transfer",
        VirtualPowerClient: "off",
        XcpClient: "download program_clear program"
      }
    )
  })

  it("calls a method that is named like a question a read", () => {
    const question = /^(get|is|list|read|wait)(_|$)|^(info|status|exists|stat|address|available)$/
    assert.deepStrictEqual(
      methodsWhere((method, name) =>
        question.test(name) && method._tag !== "Stream" && DriverMethod.effectOf(method) !== "read"
      ),
      // It resets the chip to ask it.
      { Esp32FlasherClient: "get_chip_info" }
    )
  })

  it("calls a driver's type by one word", () => {
    for (const { client, driverType } of contracts) assert.match(driverType, /^[a-z]+$/, client)
  })
})

describe("DriverInterface.isRetryable", () => {
  const lost = (method: string, { kind = "call", origin = "transport" }: Partial<DriverError.ConnectionLost> = {}) =>
    new DriverError.ConnectionLost({ driver: "a", uuid: "", method, kind, code: "UNAVAILABLE", details: "", origin })
  const retryable = (contract: DriverInterface.Any, error: unknown) => DriverInterface.isRetryable(contract)(error)

  it("accepts a lost call of an idempotent method", () => {
    assert.isTrue(retryable(drivers.Power.contract, lost("on")))
    assert.isFalse(retryable(drivers.Power.contract, lost("rescue")))
    assert.isFalse(retryable(drivers.Power.contract, lost("read", { kind: "streamingCall" })))
    assert.isFalse(retryable(drivers.Power.contract, lost("limit")))
  })

  it("accepts a lost transfer when every method with a transfer is idempotent", () => {
    const transfer = lost("resource", { kind: "resource" })
    assert.isTrue(retryable(drivers.Flasher.contract, transfer))
    assert.isFalse(retryable(drivers.Opendal.contract, transfer))
    assert.isFalse(retryable(drivers.Power.contract, transfer))
  })

  it("rejects calls that were not sent, and other failures", () => {
    const { code, details, driver, kind, method, uuid } = lost("on")
    const failed = new DriverError.DriverError({ driver, uuid, method, kind, code, details, origin: "driver" })
    assert.isFalse(retryable(drivers.Power.contract, failed))
    assert.isFalse(retryable(drivers.Power.contract, lost("on", { origin: "client" })))
    assert.isFalse(retryable(drivers.Power.contract, undefined))
  })
})
