// Flashers, networks and servers of boards.
import { Resource } from "@effect-jumpstarter/core"
import {
  BtPeer,
  Cuttlefish,
  CvdFlasher,
  CvdPower,
  DutNetwork,
  Flasher,
  Iscsi,
  Opendal,
  PiPico,
  Power,
  ProbeRs,
  RideSx,
  RideSxPower,
  VirtualPower
} from "@effect-jumpstarter/core/drivers"
import { StorageTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Redacted, Sink, Stream } from "effect"
import { concat, text, utf8 } from "../support/bytes.ts"
import { logged } from "../support/leaseBench.ts"
import { type Answer, broken, type Call, connect, nothing, recording } from "./support.ts"

describe("ProbeRs", () => {
  const probe = (read: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const { calls, driver } = recording(ProbeRs.contract.client, { read: { value: read } })
      return { calls, probe: yield* connect(ProbeRs.contract, driver) }
    })

  it.scoped("writes a program, and resets the chip afterwards", () =>
    Effect.gen(function*() {
      const written: Array<Uint8Array> = []
      const { calls, driver } = recording(ProbeRs.contract.client, {
        download: { read: (bytes) => Effect.sync(() => written.push(bytes)) },
        reset_target: { value: "" }
      })
      const client = yield* connect(ProbeRs.contract, driver)
      // The recording host answers nothing, which is no text.
      const error = yield* Effect.flip(client.download(Resource.fromBytes(utf8("elf"))))
      assert.strictEqual(error._tag, "UnexpectedResult")
      assert.strictEqual(text(concat(written)), "elf")
      yield* ProbeRs.flash({ ...client, download: () => Effect.succeed("") }, Resource.fromBytes(utf8("elf")))
      assert.deepStrictEqual(calls.at(-1), ["reset_target"])
    }))

  it.scoped("reads memory as words of any width", () =>
    Effect.gen(function*() {
      const { calls, probe: client } = yield* probe(["2000F000", "ffffffffffffffff"])
      assert.deepStrictEqual(yield* ProbeRs.readMemory(client, { address: 0x2000_0000, words: 2 }), [
        0x2000f000n,
        0xffff_ffff_ffff_ffffn
      ])
      yield* ProbeRs.readMemory(client, { address: 0xffff_ffff_0000_0000n, words: 2, width: 64 })
      assert.deepStrictEqual(calls, [
        ["read", "b32", "0x20000000", "2"],
        ["read", "b64", "0xffffffff00000000", "2"]
      ])
    }))

  it.scoped.each(
    [
      [{ address: -1, words: 1 }, [], "cannot read the memory at -1: the address is not a natural number"],
      [{ address: 2 ** 60, words: 1 }, [], /: the address is not a natural number$/],
      [{ address: 0, words: 0 }, [], "cannot read the memory at 0x0: 0 is not a number of words"],
      [
        { address: 16, words: 1 },
        [""],
        "cannot read the memory at 0x10: probe-rs failed; the cause is in the exporter's log"
      ],
      [
        { address: 16, words: 1 },
        ["x1"],
        "cannot read the memory at 0x10: probe-rs printed \"x1\", which is not a word"
      ],
      [{ address: 16, words: 2 }, ["00"], "cannot read the memory at 0x10: probe-rs printed 1 words instead of 2"]
    ] as const
  )("says what is wrong with a range or its words (%#)", ([range, words, message]) =>
    Effect.gen(function*() {
      const { probe: client } = yield* probe(words)
      const error = yield* Effect.flip(ProbeRs.readMemory(client, range))
      if (typeof message === "string") assert.strictEqual(error.message, message)
      else assert.match(error.message, message)
    }))
})

describe("RideSx", () => {
  const board = (answers: Readonly<Record<string, Answer>> = {}) =>
    Effect.gen(function*() {
      const storage = yield* StorageTest.make()
      const { calls, driver } = recording(RideSx.contract.client, {
        boot_to_fastboot: nothing,
        detect_fastboot_device: { value: { status: "device_found", device_id: "cafe" } },
        flash_with_fastboot: nothing,
        flash_oci_image: { value: { status: "success", output: "done\n" } },
        erase_partition: { value: { status: "success", partition: "misc", output: "" } },
        ...answers
      })
      return {
        calls,
        storage,
        clients: {
          board: yield* connect(RideSx.contract, driver),
          storage: yield* connect(Opendal.contract, storage.driver)
        }
      }
    })

  const boot: ReadonlyArray<Call> = [["boot_to_fastboot"], ["detect_fastboot_device", 5, 2]]

  it.scoped("uploads images, and flashes each partition with its own", () =>
    Effect.gen(function*() {
      const { calls, clients, storage } = yield* board()
      yield* RideSx.flash(clients, {
        boot_a: { name: "boot.img", image: Resource.fromBytes(utf8("boot")) },
        system_a: { name: "root.simg.xz", image: Resource.fromBytes(utf8("root")) }
      })
      assert.deepStrictEqual([...(yield* storage.files).keys()].sort(), ["boot.img", "root.simg.xz"])
      assert.deepStrictEqual(calls, [
        ...boot,
        ["flash_with_fastboot", "cafe", { boot_a: "boot.img", system_a: "root.simg.xz" }]
      ])
    }))

  it.scoped("flashes an image of a registry, and erases a partition", () =>
    Effect.gen(function*() {
      const { calls, clients } = yield* board()
      const options = { attempts: 2, delay: "500 millis", username: "me", password: Redacted.make("pw") } as const
      assert.strictEqual(yield* RideSx.flashOci(clients.board, "oci://registry.example/i", options), "done\n")
      yield* RideSx.erase(clients.board, "misc")
      assert.deepStrictEqual(calls, [
        ["boot_to_fastboot"],
        ["detect_fastboot_device", 2, 0.5],
        ["flash_oci_image", "oci://registry.example/i", null, "me", "pw"],
        ...boot,
        ["erase_partition", "cafe", "misc"]
      ])
    }))

  it.scoped("fails when the board does not appear, and does not flash", () =>
    Effect.gen(function*() {
      const { calls, clients } = yield* board({
        detect_fastboot_device: { value: { status: "no_device_found", device_id: null } }
      })
      const error = yield* Effect.flip(RideSx.erase(clients.board, "misc"))
      assert.strictEqual(
        error.message,
        "fastboot on the exporter found no board in 5 attempts, one every 2s; check the board's USB cable and its power"
      )
      assert.deepStrictEqual(calls, boot)
      const empty = yield* Effect.flip(clients.board.erase_partition("cafe", ""))
      assert.strictEqual(empty._tag, "InvalidArgument")
    }))

  it.scoped("cycles the power on the exporter", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(RideSxPower.contract.client, { cycle: nothing })
      const power = yield* connect(RideSxPower.contract, driver)
      yield* power.cycle()
      yield* power.cycle(0.5)
      assert.strictEqual((yield* Effect.flip(power.cycle(-1)))._tag, "InvalidArgument")
      assert.deepStrictEqual(calls, [["cycle"], ["cycle", 0.5]])
    }))
})

describe("Iscsi", () => {
  const answers: Readonly<Record<string, Answer>> = {
    start: nothing,
    add_lun: { value: "rootfs" },
    remove_lun: nothing,
    get_host: { value: "10.0.0.1" },
    get_port: { value: 3260 },
    get_target_iqn: { value: "iqn.2024-06.dev.jumpstarter:target1" }
  }
  const server = (overrides: Readonly<Record<string, Answer>> = {}) =>
    Effect.gen(function*() {
      const storage = yield* StorageTest.make()
      const { calls, driver } = recording(Iscsi.contract.client, { ...answers, ...overrides })
      const clients = {
        iscsi: yield* connect(Iscsi.contract, driver),
        storage: yield* connect(Opendal.contract, storage.driver)
      }
      return { calls, storage, clients }
    })

  it.scoped("offers an image as a disk until the scope closes", () =>
    Effect.gen(function*() {
      const { calls, clients, storage } = yield* server()
      const target = yield* Effect.scoped(
        Iscsi.serve(clients, "rootfs", Resource.fromBytes(utf8("disk")), { sizeMiB: 64 })
      )
      assert.deepStrictEqual(target, { host: "10.0.0.1", port: 3260, iqn: "iqn.2024-06.dev.jumpstarter:target1" })
      assert.deepStrictEqual([...(yield* storage.files).keys()], ["rootfs.img"])
      assert.deepStrictEqual(calls, [
        ["start"],
        ["add_lun", "rootfs", "rootfs.img", 64],
        ["get_host"],
        ["get_port"],
        ["get_target_iqn"],
        ["remove_lun", "rootfs"]
      ])
    }))

  it.scoped("says in the log that a disk could not be removed", () =>
    Effect.gen(function*() {
      const { clients } = yield* server({ remove_lun: { run: broken } })
      const messages: Array<string> = []
      yield* Effect.scoped(Iscsi.serve(clients, "rootfs", Resource.fromBytes(utf8("disk")))).pipe(
        Effect.provide(logged(messages))
      )
      assert.deepStrictEqual(messages, ["WARN a disk of an iSCSI server could not be released"])
    }))

  it.scoped("removes no disk that it could not add", () =>
    Effect.gen(function*() {
      const { calls, clients } = yield* server({ add_lun: { run: broken } })
      const error = yield* Effect.flip(Effect.scoped(Iscsi.serve(clients, "rootfs", Resource.fromBytes(utf8("disk")))))
      assert.strictEqual(error._tag, "DriverError")
      assert.deepStrictEqual(calls.map(([method]) => method), ["start", "add_lun"])
    }))
})

describe("DutNetwork.capture", () => {
  it.scoped("streams packets, without tcpdump's lines about itself", () =>
    Effect.gen(function*() {
      const packet = "12:00:00.000000 IP 192.168.100.7.5353 > 224.0.0.251.5353: UDP, length 40"
      const { calls, driver } = recording(DutNetwork.contract.client, {
        tcpdump: {
          items: [
            "tcpdump: verbose output suppressed",
            "listening on br0, link-type EN10MB",
            packet,
            "1 packet captured"
          ]
        }
      })
      const network = yield* connect(DutNetwork.contract, driver)
      const packets = yield* Stream.runCollect(DutNetwork.capture(network, { filter: "udp port 5353" }))
      assert.deepStrictEqual(Chunk.toReadonlyArray(packets), [packet])
      yield* Stream.runDrain(DutNetwork.capture(network, { names: true }))
      assert.deepStrictEqual(calls, [["tcpdump", ["-n", "--", "udp port 5353"]], ["tcpdump", []]])
    }))
})

describe("CvdPower", () => {
  const { client } = CvdPower.contract

  it.scoped("switches a device, and deletes it if asked to", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(client, { on: nothing, off: nothing })
      const power = yield* connect(CvdPower.contract, driver)
      yield* power.on()
      yield* power.off()
      yield* power.off(true)
      assert.deepStrictEqual(calls, [["on"], ["off"], ["off", true]])
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(power.read())))._tag, "MethodNotImplemented")
    }))

  it.scoped("is switched by programs for any power, and for any virtual power", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(client, { on: nothing, off: nothing })
      yield* Power.cycle(yield* connect(Power.contract, driver), { wait: 0 })
      yield* (yield* connect(VirtualPower.contract, driver)).off(true)
      assert.deepStrictEqual(calls, [["off"], ["on"], ["off", true]])
    }))

  it.scoped("says why the device did not start", () =>
    Effect.gen(function*() {
      const { driver } = recording(client, { on: { run: broken } })
      const error = yield* Effect.flip((yield* connect(CvdPower.contract, driver)).on())
      assert.strictEqual(error._tag, "DriverError")
      assert.include(error.message, "it broke")
    }))
})

describe("CvdFlasher", () => {
  const { client } = CvdFlasher.contract
  const flasher = Effect.sync(() => {
    const written: Array<Uint8Array> = []
    const { calls, driver } = recording(client, {
      flash: { read: (bytes) => Effect.sync(() => written.push(bytes)) },
      flash_oci: nothing
    })
    return { calls, driver, written }
  })

  it.scoped("sends images, or has them fetched from a registry", () =>
    Effect.gen(function*() {
      const { calls, driver, written } = yield* flasher
      const images = yield* connect(CvdFlasher.contract, driver)
      yield* images.flash(Resource.fromBytes(utf8("zip")), "images")
      yield* images.flash(Resource.fromBytes(utf8("+all")))
      assert.strictEqual(text(concat(written)), "zip+all")
      yield* images.flash_oci("oci://registry.example/aosp")
      yield* images.flash_oci("oci://registry.example/aosp", "host_package")
      assert.deepStrictEqual(calls, [
        ["flash", "handle", "images"],
        ["flash", "handle"],
        ["flash_oci", "oci://registry.example/aosp"],
        ["flash_oci", "oci://registry.example/aosp", "host_package"]
      ])
    }))

  it.scoped("cannot read its images back", () =>
    Effect.gen(function*() {
      const images = yield* connect(CvdFlasher.contract, (yield* flasher).driver)
      const sink = Resource.sink(Sink.drain)
      assert.strictEqual((yield* Effect.flip(images.dump(sink)))._tag, "MethodNotImplemented")
    }))

  it.scoped("is flashed by programs for any flasher", () =>
    Effect.gen(function*() {
      const { driver, written } = yield* flasher
      const images = yield* connect(Flasher.contract, driver)
      yield* Flasher.flashAll(images, [["images", Resource.fromBytes(utf8("zip"))]])
      assert.strictEqual(text(concat(written)), "zip")
    }))
})

describe("contracts whose results are JSON in texts", () => {
  it.scoped("BtPeer", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(BtPeer.contract.client, {
        start_peer: { value: "{\"address\": \"AA:BB\", \"name\": \"Phone\"}" },
        wait_connection: {
          value: "{\"handle\": 1, \"address\": \"CC\", \"transport\": \"LE\", \"role\": \"central\"}"
        },
        get_events: { value: "[{\"ts\": 1.5, \"type\": \"paired\", \"handle\": 1}]" },
        get_connections: { value: "not json" }
      })
      const peer = yield* connect(BtPeer.contract, driver)
      assert.deepStrictEqual(yield* peer.start_peer({ name: "Phone" }), { address: "AA:BB", name: "Phone" })
      assert.strictEqual((yield* peer.wait_connection()).transport, "LE")
      assert.deepStrictEqual(yield* peer.get_events(1.25), [{ ts: 1.5, type: "paired", handle: 1 }])
      assert.strictEqual((yield* Effect.flip(peer.get_connections()))._tag, "UnexpectedResult")
      assert.deepStrictEqual(calls.slice(0, 3), [
        ["start_peer", "{\"name\":\"Phone\"}"],
        ["wait_connection"],
        ["get_events", "1.25"]
      ])
    }))

  it.scoped("Cuttlefish", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Cuttlefish.contract.client, {
        list_cvds: {
          value: "{\"cvds\": [{\"name\": \"1\", \"status\": \"Running\", \"adb_port\": 6520, \"x\": [1]}]}"
        },
        get_adb_port: { value: "6520" },
        create_cvd: { value: "None" },
        status: { value: "OK" }
      })
      const phone = yield* connect(Cuttlefish.contract, driver)
      assert.deepStrictEqual((yield* phone.list_cvds()).cvds[0], {
        name: "1",
        status: "Running",
        adb_port: 6520,
        x: [1]
      })
      assert.strictEqual(yield* phone.get_adb_port(), 6520)
      assert.strictEqual(yield* phone.status(), "OK")
      yield* phone.create_cvd({ env_config: {} })
      assert.deepStrictEqual(calls.at(-1), ["create_cvd", "{\"env_config\":{}}"])
    }))

  it.scoped("PiPico", () =>
    Effect.gen(function*() {
      const { driver } = recording(PiPico.contract.client, {
        bootloader_info: { value: { Model: "Raspberry Pi RP2" } }
      })
      const pico = yield* connect(PiPico.contract, driver)
      assert.deepStrictEqual(yield* pico.bootloader_info(), { Model: "Raspberry Pi RP2" })
    }))
})
