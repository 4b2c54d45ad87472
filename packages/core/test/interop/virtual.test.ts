// The published drivers of virtual machines and simulated boards.
import { Device, type DriverInterface, Endpoint, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import { Flasher, Network, Power, Qemu, QemuFlasher, Renode, Serial } from "@effect-jumpstarter/core/drivers"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Schedule, Sink, Stream } from "effect"
import { gzipSync } from "node:zlib"
import { concat, numbered, utf8 } from "../support/bytes.ts"
import * as process from "../support/process.ts"
import * as programs from "../support/programsOnPath.ts"
import * as python from "../support/python.ts"

const exporter = Layer.unwrapScoped(
  Effect.map(
    process.start(python.drivers("virtual")),
    ({ ready }) => ExporterConnection.layer(Endpoint.unix(ready.unix))
  )
)

const connect = <I extends DriverInterface.Any>(contract: I, path: string) =>
  Effect.orDie(Device.connect(contract, path))

const collect = Resource.sink(Sink.map(Sink.collectAll<Uint8Array>(), concat))

const machine = {
  qemu: [Qemu.contract, "qemu"],
  power: [Power.contract, "qemu.power"],
  flasher: [QemuFlasher.contract, "qemu.flasher"],
  console: [Serial.contract, "qemu.console"]
} as const

const board = {
  power: [Power.contract, "renode.power"],
  flasher: [Flasher.contract, "renode.flasher"],
  console: [Serial.contract, "renode.console"]
} as const

// A boot sector that sends back what the serial port receives: it polls the line status at 0x3fd, and copies the byte at 0x3f8.
const bootSector = (): Uint8Array => {
  const disk = new Uint8Array(1024 * 1024)
  disk.set([0x31, 0xc0, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0xba, 0xf8, 0x03, 0xec, 0xee, 0xeb, 0xf1])
  disk.set([0x55, 0xaa], 510)
  return disk
}

describe.skipIf(python.publishedDrivers === undefined)("the published drivers of virtual machines", () => {
  layer(exporter, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.scoped("QEMU: has a name, a user and a password, and takes sizes", () =>
      Effect.gen(function*() {
        const qemu = yield* connect(Qemu.contract, "qemu")
        const names = yield* Effect.all([qemu.get_hostname(), qemu.get_username(), qemu.get_password()])
        assert.deepStrictEqual(names, ["demo", "jumpstarter", "password"])
        yield* qemu.set_memory_size("64M")
        const local = yield* Effect.flip(qemu.set_disk_size("a lot"))
        assert.deepInclude(local, { _tag: "InvalidArgument", origin: "client" })
        const client = yield* (yield* ExporterConnection.ExporterConnection).driver("qemu")
        const remote = yield* Effect.flip(client.call("set_disk_size", "a lot"))
        assert.deepInclude(remote, { _tag: "InvalidArgument", origin: "driver" })
      }))

    it.scoped("QEMU: writes disks, decompresses them, and reads them", () =>
      Effect.gen(function*() {
        const flasher = yield* connect(QemuFlasher.contract, "qemu.flasher")
        const image = concat(Array.from({ length: 300 }, (_, index) => numbered(index, 1000)))
        yield* flasher.flash(Resource.fromBytes(gzipSync(image), { contentEncoding: "identity" }), "OVMF_VARS.fd")
        assert.deepStrictEqual(yield* flasher.dump(collect, "OVMF_VARS.fd"), image)
        const partition = yield* Effect.flip(flasher.flash(Resource.fromBytes(image), "swap"))
        assert.strictEqual(partition._tag, "InvalidArgument")
        const registry = yield* Effect.flip(QemuFlasher.flashOci(flasher, "https://registry.example/image"))
        assert.strictEqual(registry._tag, "InvalidArgument")
        assert.include(registry.message, "OCI URL must start with oci://")
        const dead = yield* Effect.flip((yield* connect(Network.contract, "qemu.vnc")).connect())
        assert.strictEqual(dead._tag, "DriverError")
      }))

    it.scoped.skipIf(programs.missing("qemu-system-x86_64", "qemu-img"))(
      "QEMU: boots a disk, and talks to its console",
      () =>
        Effect.gen(function*() {
          const clients = yield* Device.connectAll(machine)
          yield* Effect.scoped(Effect.gen(function*() {
            const images = { root: Resource.fromBytes(bootSector()) }
            const console = yield* Qemu.boot(clients, { images, memory: "64M" })
            yield* console.expect("Booting from Hard Disk", { timeout: "1 minute" })
            // The firmware takes what arrives before the disk has booted.
            yield* Effect.raceFirst(
              console.expect("hello", { timeout: "30 seconds" }),
              Effect.repeat(console.send("hello"), Schedule.spaced("200 millis"))
            )
          }))
          assert.strictEqual((yield* Effect.flip(Stream.runHead(clients.power.read())))._tag, "MethodNotImplemented")
        }),
      120_000
    )

    it.scoped("Renode: loads a program, boots, and obeys its monitor", () =>
      Effect.gen(function*() {
        const renode = yield* connect(Renode.contract, "renode")
        const names = yield* Effect.all([renode.get_platform(), renode.get_uart(), renode.get_machine_name()])
        assert.deepStrictEqual(names, ["platforms/boards/bench.repl", "sysbus.uart0", "machine-0"])
        const stopped = yield* Effect.flip(renode.monitor_cmd("version"))
        assert.include(stopped.message, "Renode is not running")
        yield* Effect.scoped(Effect.gen(function*() {
          const firmware = Resource.fromBytes(utf8("\x7fELF and more"))
          const console = yield* Renode.boot(yield* Device.connectAll(board), { firmware })
          assert.strictEqual((yield* renode.monitor_cmd("version")).trim(), "Renode, version 1.16")
          const unknown = yield* Effect.flip(renode.monitor_cmd("frobnicate"))
          assert.strictEqual(unknown._tag, "DriverError")
          assert.include(unknown.message, "Unknown command: frobnicate")
          yield* console.sendLine("ping")
          yield* console.expect("ping\n", { timeout: "10 seconds" })
        }))
        assert.include((yield* Effect.flip(renode.monitor_cmd("version"))).message, "Renode is not running")
      }))

    it.scoped("Renode: refuses what its configuration or its flasher does not know", () =>
      Effect.gen(function*() {
        const closed = yield* connect(Renode.contract, "renode_closed")
        const refused = yield* Effect.flip(closed.monitor_cmd("version"))
        assert.include(refused.message, "raw monitor access is disabled")
        const flasher = yield* connect(Flasher.contract, "renode_closed.flasher")
        const command = yield* Effect.flip(flasher.flash(Resource.fromBytes(utf8("x")), "sysbus Frobnicate"))
        assert.strictEqual(command._tag, "InvalidArgument")
        assert.strictEqual((yield* Effect.flip(flasher.dump(collect)))._tag, "MethodNotImplemented")
        const asleep = yield* Effect.flip(Effect.scoped(Effect.flatMap(
          connect(Serial.contract, "renode_closed.console"),
          (serial) => serial.connect()
        )))
        assert.strictEqual(asleep._tag, "DriverError")
      }))
  })
})
