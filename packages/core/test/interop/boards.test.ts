// The published drivers of boards, servers and cameras that need no hardware, or that reach it through a program.
import { Device, type DriverInterface, Endpoint, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import {
  BaseFlasher,
  Console,
  HttpServer,
  Network,
  Opendal,
  PiPico,
  Power,
  ProbeRs,
  RideSx,
  RideSxPower,
  Serial,
  Shell,
  Ssh,
  SshMount,
  Stlink,
  StorageMux,
  StorageMuxFlasher,
  Tftp,
  Tmt,
  Uboot,
  UStreamer,
  Video
} from "@effect-jumpstarter/core/drivers"
import { assert, describe, layer } from "@effect/vitest"
import { Chunk, Context, Duration, Effect, Layer, Redacted, Sink, Stream } from "effect"
import { execFile } from "node:child_process"
import { createSocket } from "node:dgram"
import { readFile, rename } from "node:fs/promises"
import { get } from "node:http"
import { createConnection } from "node:net"
import { dirname, join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import { concat, numbered, text, utf8 } from "../support/bytes.ts"
import * as hurriedClock from "../support/hurriedClock.ts"
import * as process from "../support/process.ts"
import * as programs from "../support/programsOnPath.ts"
import * as python from "../support/python.ts"

/** The directory in which the benches keep the files of their devices. */
class Directory extends Context.Tag("test/Directory")<Directory, string>() {}

const exporter = Layer.unwrapScoped(
  Effect.map(
    process.start(python.drivers("uboot", "volumes", "servers", "ssh", "programs", "demuxer")),
    ({ ready }) =>
      Layer.merge(
        ExporterConnection.layer(Endpoint.unix(ready.unix)),
        Layer.succeed(Directory, dirname(ready.unix))
      )
  )
)

const connect = <I extends DriverInterface.Any>(contract: I, path: string) =>
  Effect.orDie(Device.connect(contract, path))

const fileOf = (...path: ReadonlyArray<string>) =>
  Effect.flatMap(Directory, (directory) => Effect.promise(() => readFile(join(directory, ...path))))

const collect = Resource.sink(Sink.map(Sink.collectAll<Uint8Array>(), concat))

const source = (bytes: Uint8Array) => Resource.source(Stream.make(bytes))

const image = concat(Array.from({ length: 300 }, (_, index) => numbered(index, 1000)))

const fetched = (url: string) =>
  Effect.async<{ readonly status: number; readonly body: string }, Error>((resume) => {
    const request = get(url, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (piece) => {
        body += String(piece)
      }).on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, body })))
    }).on("error", (error) => resume(Effect.fail(error)))
    return Effect.sync(() => request.destroy())
  })

// The first packet that a TFTP server answers with: its kind, and its content.
const tftpRead = (host: string, port: number, file: string) =>
  Effect.async<{ readonly opcode: number; readonly content: string }, Error>((resume) => {
    const socket = createSocket("udp4")
    socket.on("message", (packet) => {
      socket.close()
      resume(Effect.succeed({ opcode: packet.readUInt16BE(0), content: packet.toString("latin1", 4) }))
    })
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.send(Buffer.concat([Buffer.from([0, 1]), Buffer.from(`${file}\0octet\0`)]), port, host)
    return Effect.sync(() => socket.close())
  })

const flasherPlaces = {
  flasher: [BaseFlasher.contract, "flasher"],
  uboot: [Uboot.contract, "flasher.uboot"],
  power: [Power.contract, "flasher.power"],
  serial: [Serial.contract, "flasher.serial"],
  tftp: [Tftp.contract, "flasher.tftp"],
  http: [HttpServer.contract, "flasher.http"],
  files: [Opendal.contract, "flasher.http.storage"]
} as const

// The board takes no rest between two steps, as a real one would have to.
const hurried = Effect.withClock(hurriedClock.make(Duration.lessThanOrEqualTo("2 seconds"), 0.1))

describe.skipIf(python.publishedDrivers === undefined)("the published drivers of boards", () => {
  layer(exporter, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.scoped("U-Boot: reboots to the prompt, runs commands, and sets variables", () =>
      Effect.gen(function*() {
        const board = yield* Device.connectAll({
          uboot: [Uboot.contract, "uboot"],
          power: [Power.contract, "uboot.power"],
          serial: [Serial.contract, "uboot.serial"]
        })
        const prompt = yield* Uboot.reboot(board, { wait: 0 })
        assert.deepStrictEqual(yield* prompt.run("version"), ["U-Boot 2026.01", "", "gcc 15.2.1"])
        yield* prompt.setEnvs({ foo: "bar; reset", bootdelay: undefined })
        assert.strictEqual(yield* prompt.getEnv("foo"), "bar; reset")
        assert.isUndefined(yield* prompt.getEnv("bootdelay"))
        assert.deepInclude(yield* prompt.dhcp(), { address: "127.0.0.1", prefix: 8 })
        const failed = yield* Effect.flip(prompt.run("frobnicate"))
        assert(failed._tag === "CommandFailed")
        assert.deepStrictEqual(failed.output, ["Unknown command 'frobnicate' - try 'help'"])
        yield* prompt.console.sendLine("boot")
        yield* prompt.console.expect("# ", { timeout: "10 seconds" })
        const { code, lines } = yield* Console.run(prompt.console, "echo a; (exit 7)", { prompt: "# " })
        assert.deepStrictEqual({ code, lines }, { code: 7, lines: ["a"] })
      }))

    it.scoped("U-Boot: says what the console showed when there is no prompt", () =>
      Effect.gen(function*() {
        const board = yield* Device.connectAll({
          power: [Power.contract, "uboot.power"],
          serial: [Serial.contract, "uboot.serial"]
        })
        const uboot = { get_prompt: () => Effect.succeed("\nMARVELL>>") }
        const error = yield* Effect.flip(Uboot.reboot({ ...board, uboot }, { wait: 0, timeout: "1 second" }))
        assert.match(
          error.message,
          /^no match for \/\^MARVELL>>\/m within 1s on the console "uboot\.serial"; unread text: .*=> /
        )
      }))

    it.scoped("BaseFlasher: flashes a board over HTTP, from the bundle to the last byte", () =>
      Effect.gen(function*() {
        const board = yield* Device.connectAll(flasherPlaces)
        const { spec } = yield* BaseFlasher.manifest(board.flasher)
        assert.deepStrictEqual(spec.dtb?.variants, { "rev-a": { file: "rev-a.dtb" }, "rev-b": { file: "rev-b.dtb" } })
        const steps: Array<string> = []
        yield* BaseFlasher.flash(board, { name: "it's a disk.img.gz", image: Resource.fromBytes(gzipSync(image)) }, {
          dtbVariant: "rev-b",
          onProgress: ({ step }) => Effect.sync(() => steps.at(-1) === step || steps.push(step))
        })
        assert.deepStrictEqual(steps.slice(-3), ["boot", "write", "done"])
        const written = yield* fileOf("emmc")
        assert.isTrue(written.equals(image))
        assert.isTrue(gunzipSync(yield* fileOf("http", "it's a disk.img.gz")).equals(image))
        assert.strictEqual(yield* board.flasher.get_dtb_filename(), "rev-b.dtb")
      }).pipe(hurried), 60_000)

    it.scoped(
      "BaseFlasher: says why the board could not fetch the image, and which targets there are",
      () =>
        Effect.gen(function*() {
          const board = yield* Device.connectAll(flasherPlaces)
          const url = yield* Effect.acquireUseRelease(
            board.http.start(),
            () => board.http.get_url(),
            () => Effect.orDie(board.http.stop())
          )
          const failed = yield* Effect.flip(
            BaseFlasher.flash(board, { url: `${url}/nope.img` }, { retries: 0 })
          )
          assert(failed._tag === "CommandFailed", failed.message)
          assert.include(failed.message, "it printed")
          const target = yield* Effect.flip(
            BaseFlasher.flash(board, { url: "http://127.0.0.1:9/x" }, { target: "usd", retries: 0 })
          )
          assert.include(target.message, "the bundle does not have it; the bundle has emmc")
          const variant = yield* Effect.flip(board.flasher.use_dtb_variant("rev-z"))
          assert.strictEqual(variant._tag, "InvalidArgument")
          assert.strictEqual((yield* Effect.flip(board.flasher.set_dtb(source(image))))._tag, "MethodNotImplemented")
        }).pipe(hurried),
      60_000
    )

    it.scoped(
      "BaseFlasher: logs in to a registry, and says without the password that it refused",
      () =>
        Effect.gen(function*() {
          const board = yield* Device.connectAll(flasherPlaces)
          const password = "it's \"a\" secret"
          const image = (password: string) => ({
            url: "oci://registry.example/board/image:latest",
            credentials: { username: "robot", password: Redacted.make(password) }
          })
          let shown = ""
          yield* BaseFlasher.flash(board, image(password), {
            console: { onText: (text) => Effect.sync(() => void (shown += text)) }
          })
          assert.strictEqual(text(yield* fileOf("emmc")), "robot from oci://registry.example/board/image:latest")
          assert.include(shown, "exec fls from-url")
          assert.notInclude(shown, "printf")
          const denied = yield* Effect.flip(BaseFlasher.flash(board, image("sesame"), { retries: 0 }))
          assert(denied._tag === "CommandFailed", denied.message)
          assert.deepStrictEqual([denied.code, denied.output], [3, ["denied: <redacted>"]])
        }).pipe(hurried),
      60_000
    )

    it.scoped("Pi Pico: copies firmware to the board's drive", () =>
      Effect.gen(function*() {
        const pico = yield* connect(PiPico.contract, "pico")
        yield* pico.enter_bootloader()
        assert.deepStrictEqual(yield* pico.bootloader_info(), { "Model": "Raspberry Pi RP2", "Board-ID": "RPI-RP2" })
        yield* pico.flash(source(image))
        yield* pico.flash(source(utf8("blink")), "blink")
        assert.isTrue((yield* fileOf("pico", "Firmware.uf2")).equals(image))
        assert.strictEqual(text(yield* fileOf("pico", "blink.uf2")), "blink")
        assert.strictEqual((yield* Effect.flip(pico.dump(collect)))._tag, "MethodNotImplemented")
        const drive = join(yield* Directory, "pico")
        yield* Effect.acquireRelease(
          Effect.promise(() => rename(drive, `${drive}.away`)),
          () => Effect.promise(() => rename(`${drive}.away`, drive))
        )
        for (const use of [pico.bootloader_info(), pico.flash(source(image))]) {
          const gone = yield* Effect.flip(use)
          assert.strictEqual(gone._tag, "DriverError")
          assert.include(gone.message, "No Pico BOOTSEL volume found")
        }
      }))

    it.scoped("Serial: reaches a channel of a port that is demultiplexed", () =>
      Effect.gen(function*() {
        const console = yield* Serial.console(yield* connect(Serial.contract, "channel"))
        yield* console.sendLine("hello")
        yield* console.expect("hello\n", { timeout: "10 seconds" })
        const gone = yield* connect(Serial.contract, "channel_gone")
        const late = yield* Effect.flip(gone.connect())
        assert.strictEqual(late._tag, "DriverError")
        assert.include(late.message, "Timeout waiting for demuxer to become ready")
        assert.strictEqual((yield* Effect.flip(gone.set_dtr(true)))._tag, "MethodNotImplemented")
      }))

    it.scoped("Serial: says that the port is not there", () =>
      Effect.gen(function*() {
        const serial = yield* connect(Serial.contract, "serial_gone")
        for (const use of [Effect.asVoid(serial.connect()), serial.set_dtr(true), serial.set_rts(true)]) {
          const gone = yield* Effect.flip(use)
          assert.strictEqual(gone._tag, "DriverError")
          assert.include(gone.message, "no-such-port")
        }
      }))

    it.scoped("ST-LINK: copies firmware to the board's drive, and refuses other files", () =>
      Effect.gen(function*() {
        const stlink = yield* connect(Stlink.contract, "stlink")
        const info = yield* stlink.info()
        assert.strictEqual(info["Version"], "0221")
        assert.match(info["mount_point"] ?? "", /stlink$/)
        yield* stlink.flash(source(image))
        assert.isTrue((yield* fileOf("stlink", "firmware.bin")).equals(image))
        const elf = yield* Effect.flip(stlink.flash(source(image), "zephyr.elf"))
        assert.strictEqual(elf._tag, "InvalidArgument")
        assert.include(elf.message, "only accepts .bin or .hex files")
        const gone = yield* Effect.flip((yield* connect(Stlink.contract, "stlink_gone")).info())
        assert.strictEqual(gone._tag, "DriverError")
        assert.include(gone.message, "ST-LINK volume 'NOD_F767ZI' not found")
      }))

    it.scoped("a storage mux is flashed and dumped", () =>
      Effect.gen(function*() {
        const mux = yield* connect(StorageMuxFlasher.contract, "mux")
        yield* StorageMux.write(mux, source(image))
        assert.deepStrictEqual(yield* StorageMux.read(mux, collect), image)
        yield* mux.off()
      }))

    it.scoped("Shell: runs commands, streams their output, and stops one that takes too long", () =>
      Effect.gen(function*() {
        const shell = yield* connect(Shell.contract, "shell")
        assert.deepStrictEqual(yield* shell.get_methods(), ["greet", "count", "slow"])
        assert.deepStrictEqual(yield* Shell.run(shell, "greet", { args: ["you"], env: { PLACE: "here" } }), {
          stdout: "hello you from here\n",
          stderr: "oops\n",
          code: 3
        })
        const pieces = yield* Stream.runCollect(shell.call_method("count", {}))
        assert.isAbove(pieces.length, 1)
        assert.strictEqual(Chunk.join(Chunk.map(pieces, ([stdout]) => stdout), ""), "1\n2\n3\n")
        assert.strictEqual((yield* Shell.run(shell, "slow")).code, 199)
        assert.strictEqual((yield* Effect.flip(Shell.run(shell, "nope")))._tag, "InvalidArgument")
        for (
          const [name, reason] of [
            ["PATH", "Environment variable 'PATH' is blocked for security reasons"],
            ["MY-VAR", "Invalid environment variable name: MY-VAR"],
            ["1ST", "Invalid environment variable name: 1ST"]
          ] as const
        ) {
          const refused = yield* Effect.flip(Shell.run(shell, "greet", { env: { [name]: "/" } }))
          assert.strictEqual(refused._tag, "InvalidArgument")
          assert.include(refused.message, reason)
        }
      }))

    it.scoped("HttpServer: serves what was put there, and says when its port is taken", () =>
      Effect.gen(function*() {
        const { files, http } = yield* Device.connectAll({
          http: [HttpServer.contract, "http"],
          files: [Opendal.contract, "http.storage"]
        })
        yield* http.start()
        const url = yield* HttpServer.putFile(http, files, "a dir/grüße.txt", source(utf8("hello")))
        assert.deepStrictEqual(yield* fetched(url), { status: 200, body: "hello" })
        assert.strictEqual(yield* http.get_host(), "127.0.0.1")
        assert.include(url, `:${yield* http.get_port()}/`)
        assert.strictEqual((yield* fetched(`${yield* http.get_url()}/nope`)).status, 404)
        yield* http.stop()
        yield* Effect.flip(fetched(url))
        const taken = yield* Effect.flip((yield* connect(HttpServer.contract, "http_taken")).start())
        assert.strictEqual(taken._tag, "DriverError")
        assert.include(taken.message, "address already in use")
      }))

    it.scoped("Tftp: serves what was put there", () =>
      Effect.gen(function*() {
        const { files, tftp } = yield* Device.connectAll({
          tftp: [Tftp.contract, "tftp"],
          files: [Opendal.contract, "tftp.storage"]
        })
        yield* Opendal.writeBytes(files, "zImage", utf8("kernel"))
        yield* tftp.start()
        const [host, port] = [yield* tftp.get_host(), yield* tftp.get_port()]
        const read = (name: string) =>
          Effect.retry(Effect.timeout(tftpRead(host, port, name), "1 second"), { times: 5 })
        assert.deepStrictEqual(yield* read("zImage"), { opcode: 3, content: "kernel" })
        assert.strictEqual((yield* read("nope")).opcode, 5)
        yield* tftp.stop()
        assert.strictEqual((yield* Effect.flip(Opendal.readString(files, "nope")))._tag, "DriverError")
      }))

    it.scoped("Tmt: has what a login needs, and forwards a port to the device", () =>
      Effect.gen(function*() {
        const device = yield* Device.connectAll({ tmt: [Tmt.contract, "tmt"], ssh: [Network.contract, "tmt.ssh"] })
        const guest = yield* Tmt.provision(device)
        assert.deepInclude(guest, { username: "root", rebootCommand: "j power cycle" })
        assert.strictEqual(Redacted.value(guest.password), "secret")
        const console = yield* Console.make(yield* device.ssh.connect())
        yield* console.expect("SSH-2.0-bench\r\n", { timeout: "10 seconds" })
        const mismatch = yield* Effect.flip(Device.connect(Ssh.contract, "tmt"))
        assert.strictEqual(mismatch._tag, "InterfaceMismatch")
      }))

    it.scoped("ssh-mitm: answers as an SSH server, with the key of the device on the exporter", () =>
      Effect.gen(function*() {
        const ssh = yield* connect(Ssh.contract, "ssh")
        assert.deepInclude(yield* Ssh.login(ssh), { username: "root", identity: null })
        const tcp = yield* connect(Network.contract, "ssh.tcp")
        assert.strictEqual((yield* Effect.flip(tcp.address()))._tag, "MethodNotImplemented")
        const console = yield* Console.make(yield* tcp.connect())
        yield* console.expect(/^SSH-2\.0-paramiko\S*\r\n/, { timeout: "10 seconds" })
      }))

    it.scoped("ssh-mount: has the arguments of sshfs for a port that answers", () =>
      Effect.gen(function*() {
        yield* connect(SshMount.contract, "mount")
        const device = yield* Device.connectAll({
          ssh: [Ssh.contract, "mount.ssh"],
          tcp: [Network.contract, "mount.ssh.tcp"]
        })
        const args = yield* SshMount.sshfs(device, { mountpoint: "/mnt/board" })
        assert.deepStrictEqual(args.slice(0, 2), ["root@127.0.0.1:/", "/mnt/board"])
        const port = Number(args[args.indexOf("-p") + 1])
        const banner = yield* Effect.async<string>((resume) => {
          const socket = createConnection({ host: "127.0.0.1", port })
          socket.setEncoding("utf8").once("data", (said) => resume(Effect.succeed(String(said))))
          return Effect.sync(() => socket.destroy())
        })
        assert.match(banner, /^SSH-2\.0-paramiko/)
      }))

    it.scoped.skipIf(programs.missing("ssh"))("ssh-mitm: runs commands of a real ssh", () =>
      Effect.gen(function*() {
        const run = (path: string, command: string) =>
          Effect.gen(function*() {
            const { port } = yield* Network.portForward(yield* connect(Network.contract, path))
            const options = [
              "StrictHostKeyChecking=no",
              "UserKnownHostsFile=/dev/null",
              "LogLevel=ERROR",
              "BatchMode=yes"
            ]
            const args = [...options.flatMap((option) => ["-o", option]), "-p", String(port), "root@127.0.0.1", command]
            return yield* Effect.async<{ readonly code: number; readonly stdout: string }>((resume) => {
              const child = execFile(
                "ssh",
                args,
                (error, stdout) =>
                  resume(Effect.succeed({ code: typeof error?.code === "number" ? error.code : 0, stdout }))
              )
              return Effect.sync(() => child.kill())
            })
          })
        const { code, stdout } = yield* run("ssh.tcp", "echo hello; exit 5")
        assert.strictEqual(stdout, "hello\n")
        // The proxy may close the client's channel before it sends the exit code; then ssh reports 255.
        assert.include([5, 255], code)
        // The exporter has the wrong key, so the device lets nobody in.
        assert.deepStrictEqual(yield* run("ssh_locked.tcp", "echo hello"), { code: 255, stdout: "" })
      }))

    it.scoped("ProbeRs: writes a program, and reads memory", () =>
      Effect.gen(function*() {
        const probe = yield* connect(ProbeRs.contract, "probe")
        assert.strictEqual(yield* probe.info(), "ran info\n")
        assert.strictEqual(yield* probe.download(source(image)), `wrote ${image.length} bytes\n`)
        yield* ProbeRs.flash(probe, source(image))
        assert.strictEqual(yield* probe.erase(), "ran erase\n")
        assert.deepStrictEqual(yield* ProbeRs.readMemory(probe, { address: 0x2000_0000, words: 3 }), [
          0x2000_0000n,
          0x2000_0001n,
          0x2000_0002n
        ])
        assert.deepStrictEqual(yield* ProbeRs.readMemory(probe, { address: 2n ** 63n, words: 1, width: 64 }), [
          2n ** 63n
        ])
      }))

    it.scoped("ProbeRs: cannot tell a failure, except of reading", () =>
      Effect.gen(function*() {
        const probe = yield* connect(ProbeRs.contract, "probe_gone")
        assert.strictEqual(yield* probe.info(), "")
        const error = yield* Effect.flip(ProbeRs.readMemory(probe, { address: 0, words: 1 }))
        assert.strictEqual(
          error.message,
          "cannot read the memory at 0x0: probe-rs failed; the cause is in the exporter's log"
        )
      }))

    it.scoped("RideSX: flashes with fastboot, erases, and switches the power", () =>
      Effect.gen(function*() {
        const board = yield* Device.connectAll({
          board: [RideSx.contract, "ridesx"],
          storage: [Opendal.contract, "ridesx.storage"]
        })
        // The steps of the real board take 12 seconds.
        const quick = { ...board, board: { ...board.board, boot_to_fastboot: () => Effect.void } }
        yield* RideSx.flash(quick, { boot_a: { name: "boot.img.gz", image: Resource.fromBytes(gzipSync(image)) } })
        assert.isTrue((yield* fileOf("programs", "boot_a.flashed")).equals(image))
        yield* RideSx.erase(quick.board, "misc")
        const error = yield* Effect.flip(RideSx.erase(quick.board, "nope"))
        assert.strictEqual(error._tag, "DriverError")
        assert.include(error.message, "Failed to erase partition 'nope'")
        const absent = yield* Effect.flip(board.board.flash_with_fastboot("cafe0001", { boot_a: "nope.img" }))
        assert.include(absent.message, "Image not found in storage: nope.img")
        const power = yield* connect(RideSxPower.contract, "ridesx_power")
        yield* power.cycle(0)
        assert.strictEqual((yield* Effect.flip(power.rescue()))._tag, "MethodNotImplemented")
      }).pipe(hurried), 60_000)

    it.scoped("UStreamer: takes a snapshot, and streams pictures", () =>
      Effect.gen(function*() {
        const camera = yield* connect(UStreamer.contract, "camera")
        const jpeg = Uint8Array.of(0xff, 0xd8, 1, 2, 3, 0xff, 0xd9)
        // The program takes a moment to listen.
        assert.deepStrictEqual(yield* Effect.retry(camera.snapshot(), { times: 50, while: () => true }), jpeg)
        assert.deepInclude((yield* camera.state()).result.encoder, { type: "CPU", quality: 80 })
        const frames = yield* Video.frames(camera).pipe(Stream.take(20), Stream.runCollect)
        assert.deepStrictEqual(
          Chunk.toReadonlyArray(frames).map((frame) => frame.at(-1)),
          Array.from({ length: 20 }, (_, i) => i)
        )
        const error = yield* Effect.flip(Stream.runHead(Video.frames(camera, { path: "/nope" })))
        assert.strictEqual(error.message, "no pictures from the stream /nope: the HTTP server answered with status 404")
      }))
  })
})
