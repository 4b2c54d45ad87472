import { DriverError, DriverInterface, DriverMethod } from "@effect-jumpstarter/core"
import * as drivers from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"

// The tables of protocol.md 14.1 and 14.2: C is a call, S a streaming call, X a byte stream. `?` marks an optional
// argument, `*` an argument that can be repeated. Not every driver has the methods in brackets.
const table: ReadonlyArray<readonly [DriverInterface.Any, label: string, methods: string]> = [
  [
    drivers.Power.contract,
    "jumpstarter_driver_power.client.PowerClient",
    "C on(), C off(), [S read()], [C rescue()], [C read_pin()]"
  ],
  [
    drivers.VirtualPower.contract,
    "jumpstarter_driver_power.client.VirtualPowerClient",
    "C on(), C off(_?), [S read()]"
  ],
  [drivers.Network.contract, "jumpstarter_driver_network.client.NetworkClient", "X connect, [C address()]"],
  [
    drivers.Serial.contract,
    "jumpstarter_driver_pyserial.client.PySerialClient",
    "X connect, [C address()], [C close()], [C set_dtr(_)], [C set_rts(_)]"
  ],
  [
    drivers.StorageMux.contract,
    "jumpstarter_driver_opendal.client.StorageMuxClient",
    "C host(), C dut(), C off(), C write(source), C read(sink)"
  ],
  [
    drivers.Flasher.contract,
    "jumpstarter_driver_opendal.client.FlasherClient",
    "C flash(source, _?), C dump(sink, _?)"
  ],
  [
    drivers.Opendal.contract,
    "jumpstarter_driver_opendal.client.OpendalClient",
    [
      "C open(_, _), C file_read(_, sink), C file_write(_, source), C file_seek(_, _, _?), C file_tell(_)",
      "C file_close(_), C file_closed(_), C file_readable(_), C file_seekable(_), C file_writable(_), C stat(_)",
      "C hash(_, _?), C copy(_, _), C rename(_, _), C remove_all(_), C create_dir(_), C delete(_), C exists(_)",
      "S list(_), S scan(_), C presign_stat(_, _), C presign_read(_, _), C presign_write(_, _), C capability()",
      "C get_created_resources(), C register_path(_)"
    ].join(", ")
  ],
  [drivers.Composite.contract, "jumpstarter_driver_composite.client.CompositeClient", ""],
  [
    drivers.Shell.contract,
    "jumpstarter_driver_shell.client.ShellClient",
    "C get_methods(), S call_method(_, _, _*)"
  ],
  [
    drivers.DigitalOutput.contract,
    "jumpstarter_driver_gpiod.client.DigitalOutputClient",
    "C on(), C off(), C read_pin()"
  ],
  [
    drivers.DigitalInput.contract,
    "jumpstarter_driver_gpiod.client.DigitalInputClient",
    "C read_pin(), C wait_for_active(_?), C wait_for_inactive(_?), C wait_for_edge(_, _?)"
  ],
  [
    drivers.Tftp.contract,
    "jumpstarter_driver_tftp.client.TftpServerClient",
    "C start(), C stop(), C get_host(), C get_port()"
  ],
  [
    drivers.HttpServer.contract,
    "jumpstarter_driver_http.client.HttpServerClient",
    "C start(), C stop(), C get_url(), C get_host(), C get_port()"
  ],
  [
    drivers.Ssh.contract,
    "jumpstarter_driver_ssh.client.SSHWrapperClient",
    "C get_default_username(), C get_ssh_command(), C get_ssh_identity()"
  ]
]

const kinds = { Call: "C", StreamingCall: "S", Stream: "X" }

const describeArgument = (argument: DriverMethod.Argument): string => {
  if (!("_tag" in argument)) return "_"
  return { OptionalArgument: "_?", SourceArgument: "source", SinkArgument: "sink" }[argument._tag]
}

const describeMethod = (name: string, method: DriverMethod.Any): string => {
  if (method._tag === "Stream") return `X ${name}`
  const { args = [], rest } = method.options
  const described = [...args.map(describeArgument), ...(rest === undefined ? [] : ["_*"])]
  return `${kinds[method._tag]} ${name}(${described.join(", ")})`
}

const describeMethods = ({ methods }: DriverInterface.Any): string =>
  Object.entries(methods).map(([name, method]) => {
    const described = describeMethod(name, method)
    return method.options.optional === true ? `[${described}]` : described
  }).join(", ")

describe("the catalogue", () => {
  for (const [contract, label, methods] of table) {
    it(`has the label and the methods of ${label}`, () => {
      assert.strictEqual(contract.client, label)
      assert.strictEqual(describeMethods(contract), methods)
    })
  }

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
        CuttlefishClient: "restart_cvd powerbtn_cvd create_cvd delete_cvd",
        CvdPowerClient: "off",
        DigitalInputClient: "wait_for_edge",
        ISCSIServerClient: "remove_lun",
        OpendalClient: "open file_read file_write file_seek rename",
        PowerClient: "rescue",
        PySerialClient: "close",
        RenodeClient: "monitor_cmd",
        RideSXClient: "flash_with_fastboot flash_oci_image",
        RideSXPowerClient: "rescue",
        VirtualPowerClient: "off"
      }
    )
  })

  it("calls a method destructive if it can lose what no call brings back", () => {
    assert.deepStrictEqual(
      methodsWhere((method) => DriverMethod.effectOf(method) === "destructive"),
      {
        CuttlefishClient: "powerwash_cvd delete_cvd reset_host",
        CvdFlasherClient: "flash flash_oci",
        CvdPowerClient: "off",
        Esp32FlasherClient: "flash erase",
        FlasherClient: "flash",
        ISCSIServerClient: "decompress",
        OpendalClient: "open file_write copy rename remove_all delete",
        PiPicoClient: "flash",
        ProbeRsClient: "erase download",
        QemuFlasherClient: "flash flash_oci",
        RideSXClient: "flash_with_fastboot flash_oci_image erase_partition",
        StlinkMsdFlasherClient: "flash",
        StorageMuxClient: "write",
        StorageMuxFlasherClient: "write",
        VirtualPowerClient: "off"
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
