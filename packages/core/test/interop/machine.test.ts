// The published drivers of the exporter's own machine: its pins, its network, and its kernel. The bench stands in for what they need root or
// hardware for.
import { Device, type DriverInterface, Endpoint, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import {
  DigitalInput,
  DigitalOutput,
  DutNetwork,
  Esp32Flasher,
  Iscsi,
  Opendal,
  Power
} from "@effect-jumpstarter/core/drivers"
import { assert, describe, layer } from "@effect/vitest"
import { Chunk, Effect, Fiber, Layer, Sink, Stream } from "effect"
import { platform } from "node:process"
import { gzipSync } from "node:zlib"
import { concat, text, utf8 } from "../support/bytes.ts"
import * as process from "../support/process.ts"
import * as python from "../support/python.ts"

const exporter = Layer.unwrapScoped(
  Effect.map(
    process.start(python.drivers("machine", "esp32")),
    ({ ready }) => ExporterConnection.layer(Endpoint.unix(ready.unix))
  )
)

const collect = Resource.sink(Sink.map(Sink.collectAll<Uint8Array>(), concat))

const connect = <I extends DriverInterface.Any>(contract: I, path: string) =>
  Effect.orDie(Device.connect(contract, path))

// The drivers refuse to run elsewhere.
const isLinux = platform === "linux"

describe.skipIf(python.publishedDrivers === undefined || !isLinux)(
  "the published drivers of the exporter's machine",
  () => {
    layer(exporter, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
      const pin = {
        output: [DigitalOutput.contract, "output"],
        input: [DigitalInput.contract, "input"],
        power: [Power.contract, "switch"]
      } as const

      it.scoped("gpiod: switches a pin, reads it, and switches power with it", () =>
        Effect.gen(function*() {
          const { input, output, power } = yield* Device.connectAll(pin)
          yield* output.off()
          assert.strictEqual(yield* input.read_pin(), 0)
          yield* output.on()
          assert.strictEqual(yield* input.read_pin(), 1)
          yield* DigitalInput.waitForActive(input)
          yield* power.off()
          assert.strictEqual(yield* power.read_pin(), 0)
          yield* DigitalInput.waitForInactive(input, { timeout: "1 second" })
          assert.strictEqual((yield* Effect.flip(Stream.runHead(power.read())))._tag, "MethodNotImplemented")
        }))

      it.scoped("gpiod: gives up at the timeout, and refuses an edge that there is not", () =>
        Effect.gen(function*() {
          const { input, output } = yield* Device.connectAll(pin)
          yield* output.off()
          const late = yield* Effect.flip(DigitalInput.waitForActive(input, { timeout: "50 millis" }))
          assert.deepInclude(late, { _tag: "DriverError", code: "DEADLINE_EXCEEDED" })
          const client = yield* (yield* ExporterConnection.ExporterConnection).driver("input")
          assert.strictEqual((yield* Effect.flip(client.call("wait_for_edge", "sideways")))._tag, "InvalidArgument")
        }))

      it.scoped("dut-network: says what it is, and gives names and addresses", () =>
        Effect.gen(function*() {
          const network = yield* connect(DutNetwork.contract, "network")
          const lease = { mac: "AA:BB:CC:00:11:22", ip: "192.168.100.101", hostname: "board", expiry: 1764450000 }
          const status = yield* network.status()
          assert.deepInclude(status, { interface: "br9", upstream: null, nat_mode: "disabled", dhcp_enabled: true })
          assert.deepStrictEqual(status.interface_status, {
            name: "br9",
            exists: true,
            addresses: ["192.168.100.1/24"]
          })
          assert.deepStrictEqual(status.leases, [lease])
          assert.deepStrictEqual(yield* network.get_leases(), [lease])
          assert.strictEqual(yield* network.get_dut_ip("aa:bb:cc:00:11:22"), "192.168.100.101")
          assert.isNull(yield* network.get_dut_ip("aa:bb:cc:00:11:33"))
          assert.deepStrictEqual(yield* network.ntp_status(), { enabled: false, running: false })
          assert.include(yield* network.get_nat_rules(), "table ip jumpstarter")
          yield* network.add_dns_entry("update.example", "192.168.100.1")
          assert.deepStrictEqual(yield* network.get_dns_entries(), [{
            hostname: "update.example",
            ip: "192.168.100.1"
          }])
          yield* network.remove_dns_entry("update.example")
          yield* network.add_address("192.168.100.50", "AA:BB:CC:00:11:44", "other")
          yield* network.remove_address("192.168.100.50")
          assert.deepStrictEqual(yield* network.get_dns_entries(), [])
        }))

      it.scoped("dut-network: streams packets while somebody reads, if its configuration allows it", () =>
        Effect.gen(function*() {
          const network = yield* connect(DutNetwork.contract, "network")
          const packets = yield* DutNetwork.capture(network, { filter: "udp port 53" }).pipe(
            Stream.take(2),
            Stream.runCollect
          )
          const options = "-i br9 -l --packet-buffered -n -- udp port 53"
          assert.deepStrictEqual(Chunk.toReadonlyArray(packets), [`packet 1 of ${options}`, `packet 2 of ${options}`])
          const blind = yield* connect(DutNetwork.contract, "network_blind")
          const refused = yield* Effect.flip(Stream.runHead(DutNetwork.capture(blind)))
          assert.include(refused.message, "tcpdump is not enabled")
        }))

      it.scoped("iSCSI: offers an image as a disk for a scope", () =>
        Effect.gen(function*() {
          const server = yield* Device.connectAll({
            iscsi: [Iscsi.contract, "iscsi"],
            storage: [Opendal.contract, "iscsi.storage"]
          })
          const early = yield* Effect.flip(server.iscsi.remove_lun("rootfs"))
          assert.include(early.message, "iSCSI target not started")
          yield* Effect.scoped(Effect.gen(function*() {
            const target = yield* Iscsi.serve(server, "rootfs", Resource.fromBytes(utf8("disk")))
            assert.deepStrictEqual(target, {
              host: "127.0.0.1",
              port: 3260,
              iqn: "iqn.2024-06.dev.jumpstarter:target1"
            })
            const [lun] = yield* server.iscsi.list_luns()
            assert.deepInclude(lun, { name: "rootfs", size: 4, lun_id: 0, is_block: false })
            assert.match(lun?.path ?? "", /disks\/rootfs\.img$/)
          }))
          assert.deepStrictEqual(yield* server.iscsi.list_luns(), [])
          yield* server.iscsi.clear_all_luns()
          yield* server.iscsi.stop()
        }))

      it.scoped("iSCSI: decompresses on the exporter, and stays in its directory", () =>
        Effect.gen(function*() {
          const { iscsi, storage } = yield* Device.connectAll({
            iscsi: [Iscsi.contract, "iscsi"],
            storage: [Opendal.contract, "iscsi.storage"]
          })
          yield* Opendal.writeBytes(storage, "a.img.gz", gzipSync(utf8("disk")))
          yield* iscsi.decompress("a.img.gz", "a.img", "gz")
          assert.strictEqual(yield* Opendal.readString(storage, "a.img"), "disk")
          const escape = yield* Effect.flip(iscsi.decompress("a.img.gz", "../a.img", "gz"))
          assert.include(escape.message, "Invalid path: ../a.img")
          const block = yield* Effect.flip(iscsi.add_lun("disk", "/dev/sda", 0, true))
          assert.include(block.message, "block_device_allowlist is empty")
        }))

      it.scoped("ESP32: flashes at an address, dumps a region, and erases", () =>
        Effect.gen(function*() {
          const esp32 = yield* connect(Esp32Flasher.contract, "esp32")
          assert.deepStrictEqual(yield* esp32.get_chip_info(), {
            chip: "ESP32-D0WD-V3 (revision v3.1)",
            features: "Wi-Fi, BT",
            mac: "24:6f:28:0a:0b:0c"
          })
          yield* esp32.flash(Resource.fromBytes(utf8("firmware")), "0x10000")
          assert.strictEqual(text(yield* esp32.dump(collect, "0x10000:0x8")), "firmware")
          yield* esp32.erase()
          assert.deepStrictEqual(yield* esp32.dump(collect, "0x10000:0x2"), Uint8Array.of(0xff, 0xff))
          yield* Effect.all([esp32.hard_reset(), esp32.enter_bootloader()])
          const address = yield* Effect.flip(esp32.flash(Resource.fromBytes(utf8("x")), "factory"))
          assert.strictEqual(address._tag, "InvalidArgument")
        }))

      it.scoped("ESP32: says that there is no chip, and that nobody has the port open", () =>
        Effect.gen(function*() {
          const gone = yield* connect(Esp32Flasher.contract, "esp32_gone")
          const absent = yield* Effect.flip(gone.get_chip_info())
          assert.strictEqual(absent._tag, "DriverError")
          assert.include(absent.message, "Could not open")
          for (const reset of [gone.hard_reset(), gone.enter_bootloader()]) {
            assert.strictEqual((yield* Effect.flip(reset))._tag, "DriverError")
          }
        }))

      it.scoped("gpiod: notices an edge that comes later", () =>
        Effect.gen(function*() {
          const { input, output } = yield* Device.connectAll(pin)
          yield* output.off()
          const rising = yield* Effect.fork(DigitalInput.waitForEdge(input, "rising", { timeout: "20 seconds" }))
          // The driver has no word for a call that waits, so the edge comes again until it is seen.
          yield* Effect.repeat(Effect.zipRight(output.off(), output.on()), {
            until: () => Effect.map(Fiber.poll(rising), ({ _tag }) => _tag === "Some")
          })
          yield* Fiber.join(rising)
        }))
    })
  }
)
