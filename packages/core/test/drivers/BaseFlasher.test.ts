import { Device, Driver, DriverFailure, Resource } from "@effect-jumpstarter/core"
import { BaseFlasher, HttpServer, Opendal, Power, Serial, Tftp, Uboot } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, HttpServerTest, UbootTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Encoding, Layer, Redacted } from "effect"
import { inspect } from "node:util"
import * as deviceShell from "../../src/drivers/baseFlasher/deviceShell.ts"
import { text, utf8 } from "../support/bytes.ts"
import * as hurriedClock from "../support/hurriedClock.ts"
import { logged } from "../support/leaseBench.ts"
import { broken } from "./support.ts"

const manifest = `
apiVersion: jumpstarter.dev/v1alpha1
kind: FlashBundleManifest
metadata: { name: test }
spec:
  manufacturer: Acme
  link: null
  bootcmd: booti 0x80200000 0x84000000 0x83000000
  default_target: emmc
  targets:
    emmc: /dev/mmcblk0
    usd: "/sys/class/block#4fb0000"
  login: { login_prompt: "login:", username: root, password: secret, prompt: "# $" }
  kernel: { file: kernel/Image, address: "0x80200000" }
  initram: { file: kernel/initramfs, address: "0x84000000" }
  preflash_commands: [rm -rf /boot/efi]
`

interface Options {
  readonly manifest?: string
  readonly cacert?: string
  /** The exit codes of the pipelines that write, one after the other; 0 afterwards. */
  readonly codes?: ReadonlyArray<number>
  /** Whether the pipelines that write do not end. */
  readonly isStuck?: boolean
  /** Whether the TFTP server cannot be stopped. */
  readonly keepsTftp?: boolean
  /** What fls prints when it fails. */
  readonly denied?: string
}

// A board whose small system asks for a name and a password, and keeps the commands that it ran.
const board = (options: Options = {}) =>
  Effect.gen(function*() {
    const ran: Array<string> = []
    const codes = [...options.codes ?? []]
    let isWriting = true
    const login: Array<string> = []
    const run = (command: string): UbootTest.Reply => {
      ran.push(command)
      if (command === deviceShell.poll) {
        isWriting = !isWriting
        return isWriting && options.isStuck !== true ? `${codes.shift() ?? 0}\r\n` : "pos:\t65536\r\nflags: 0100001\r\n"
      }
      if (options.denied !== undefined && command.includes("exec fls")) return { output: options.denied, code: 3 }
      if (command.includes("by-partlabel/no such")) return { output: "", code: 1 }
      if (command === deviceShell.output) return "curl: (22) The requested URL returned error: 404\r\n"
      return command.startsWith("ls -l")
        ? "lrwxrwxrwx 1 root root 0 mmcblk1 -> ../../4fb0000.mmc/block/mmcblk1\r\n"
        : ""
    }
    const http = yield* HttpServerTest.make()
    const uboot = yield* UbootTest.make({
      dhcp: { address: "10.0.0.7", gateway: "10.0.0.1" },
      files: { Image: 1000, initramfs: 2000, "board.dtb": 30 },
      system: { greeting: "Starting kernel ...\r\n", login: { name: "root", password: "secret" }, prompt: "# ", run }
    })
    const value = <A>(value: A) => () => Effect.succeed(value)
    const calls: Array<string> = []
    const note = (call: string) => () => Effect.sync(() => void calls.push(call))
    const flasher = Driver.fromInterface(BaseFlasher.contract, {
      get_default_target: value(null),
      get_cacert: value(options.cacert ?? null),
      setup_flasher_bundle: (bundle) => note(`bundle ${bundle}`)(),
      set_dtb: () => DriverFailure.make("NotImplemented", "no"),
      use_dtb_variant: (variant) => note(`variant ${variant}`)(),
      get_flasher_manifest_yaml: value(options.manifest ?? manifest),
      get_kernel_filename: value("Image"),
      get_initram_filename: value("initramfs"),
      get_dtb_filename: value(""),
      get_dtb_address: value(null),
      get_kernel_address: value("0x80200000"),
      get_initram_address: value("0x84000000"),
      get_bootcmd: value("booti 0x80200000 0x84000000")
    }, {
      children: {
        http: http.driver,
        tftp: Driver.fromInterface(Tftp.contract, {
          start: note("tftp on"),
          stop: options.keepsTftp === true ? () => broken : note("tftp off"),
          get_host: value("10.0.0.2"),
          get_port: value(69)
        }),
        uboot: uboot.driver
      }
    })
    const connection = yield* Layer.build(ExporterTest.layer({ storage: flasher }))
    const clients = yield* Effect.provide(
      Device.connectAll({
        flasher: [BaseFlasher.contract, "storage"],
        uboot: [Uboot.contract, "storage.uboot"],
        power: [Power.contract, "storage.uboot.power"],
        serial: [Serial.contract, "storage.uboot.serial"],
        tftp: [Tftp.contract, "storage.tftp"],
        http: [HttpServer.contract, "storage.http"],
        files: [Opendal.contract, "storage.http.storage"]
      }),
      connection
    )
    return { calls, clients, http, login, ran, uboot }
  })

// What the program waits for between two steps takes no time; what it waits for at most keeps its length.
const hurried = Effect.withClock(hurriedClock.make(Duration.lessThanOrEqualTo("8 seconds"), 0.001))

const image = { name: "root.img.xz", image: Resource.fromBytes(utf8("image")) }

describe("BaseFlasher.flash", () => {
  it.scopedLive("has the board fetch the image from the exporter, and write it", () =>
    Effect.gen(function*() {
      const { calls, clients, http, ran, uboot } = yield* board()
      const steps: Array<string> = []
      yield* BaseFlasher.flash(clients, image, {
        bundle: "registry.example/bundle",
        dtbVariant: "rev-b",
        onProgress: ({ bytes, step }) => Effect.sync(() => steps.push(bytes === undefined ? step : `${step} ${bytes}`))
      })
      const bundle = "bundle registry.example/bundle"
      // The variant is one of this bundle, and the exporter sets up its files.
      assert.deepStrictEqual(calls, [bundle, "variant rev-b", bundle, "tftp on", "tftp off"])
      assert.sameMembers(steps.slice(0, 2), ["bundle", "upload"])
      assert.deepStrictEqual(steps.slice(2), ["boot", "write", "write 65536", "done"])
      assert.deepStrictEqual(new TextDecoder().decode((yield* http.storage.files).get("root.img.xz")), "image")
      const write = deviceShell.start({
        ...{ url: "http://192.0.2.1:8080/root.img.xz", name: "root.img.xz", target: "/dev/mmcblk0" },
        ...{ certificate: false, insecureTls: false, headers: {} }
      })
      assert.deepStrictEqual(ran.map((command) => command.replace(/@\d+/, "@now")), [
        "export dhcp_addr=10.0.0.7 gw_addr=10.0.0.1",
        "rm -rf /boot/efi",
        "udhcpc",
        "date -s @now",
        write,
        deviceShell.poll,
        deviceShell.poll,
        "sync",
        "reboot"
      ])
      const commands = (yield* uboot.commands).map((line) => line.replace(/; echo exit.*/, ""))
      assert.includeMembers(commands, [
        "setenv serverip '10.0.0.2'",
        "tftpboot 0x80200000 Image",
        "tftpboot 0x84000000 initramfs",
        "reboot"
      ])
      assert.strictEqual(yield* uboot.state, "off")
      assert.isFalse(yield* http.isRunning)
    }).pipe(hurried))

  it.scopedLive("boots again after a failure on the board, and gives up after the retries", () =>
    Effect.gen(function*() {
      const { clients, ran, uboot } = yield* board({ codes: [22, 22] })
      const attempts: Array<number> = []
      yield* BaseFlasher.flash(clients, image, {
        retries: 2,
        onProgress: ({ attempt, step }) => Effect.sync(() => step === "boot" && attempts.push(attempt))
      })
      assert.deepStrictEqual(attempts, [1, 2, 3])
      assert.strictEqual(yield* uboot.state, "off")
      const failing = yield* board({ codes: [22, 22] })
      const error = yield* Effect.flip(BaseFlasher.flash(failing.clients, image, { retries: 1 }))
      assert(error._tag === "CommandFailed")
      assert.match(
        error.message,
        /failed with code 22; it printed "curl: \(22\) The requested URL returned error: 404"$/
      )
      assert.lengthOf(ran.filter((command) => command === "sync"), 1)
    }).pipe(hurried))

  it.scopedLive("fails when the board does not write the image within the timeout, and says in the log which server goes on", () =>
    Effect.gen(function*() {
      const { clients, http } = yield* board({ isStuck: true, keepsTftp: true })
      const messages: Array<string> = []
      const error = yield* BaseFlasher.flash(clients, image, { retries: 0, timeout: "50 millis" }).pipe(
        Effect.flip,
        Effect.provide(logged(messages))
      )
      assert(error._tag === "CommandFailed")
      assert.match(
        error.message,
        / on the device did not end within 50ms, the timeout of the flash; it printed nothing$/
      )
      assert.deepStrictEqual(messages, ["WARN a server of the board's files could not be released"])
      assert.isFalse(yield* http.isRunning)
    }).pipe(hurried))

  it.scopedLive("has the board fetch a URL, with the exporter's certificate, to the partition of a target", () =>
    Effect.gen(function*() {
      const { clients, http, ran } = yield* board({ cacert: "PEM" })
      yield* BaseFlasher.flash(clients, {
        url: "https://images.example/root.img",
        headers: { Authorization: "Bearer x" }
      }, {
        target: "usd",
        partition: "rootfs",
        stayOn: true
      })
      const files = yield* http.storage.files
      assert.deepStrictEqual([...files.keys()], ["cacert.crt"])
      assert.include(ran, "curl -fsSL 'http://192.0.2.1:8080/cacert.crt' -o /tmp/cacert.crt")
      const write = ran.find((command) => command.includes("pipefail")) ?? ""
      assert.include(
        write,
        "curl -fsSL --cacert /tmp/cacert.crt -H 'Authorization: Bearer x' 'https://images.example/root.img' | dd"
      )
      assert.include(write, "of='/dev/disk/by-partlabel/rootfs'")
    }).pipe(hurried))

  it.scopedLive("writes with fls where asked to", () =>
    Effect.gen(function*() {
      const { clients, ran } = yield* board()
      const options = { method: "fls", flsUrl: "https://tools.example/fls" } as const
      yield* BaseFlasher.flash(clients, { url: "oci://registry.example/i" }, options)
      assert.includeMembers(ran, [
        "curl -fsSL 'https://tools.example/fls' -o /sbin/fls && chmod +x /sbin/fls",
        "fls from-url -i 1.0 -n --o-direct 'oci://registry.example/i' '/dev/mmcblk0'"
      ])
    }).pipe(hurried))

  // Longer than a line of a serial console.
  const password = `it's "${"0123456789".repeat(140)}"`
  const ofRegistry = {
    url: "oci://registry.example/board/image:latest",
    credentials: { username: "robot$1", password: Redacted.make(password) }
  }
  const encoded = (username: string) =>
    Encoding.encodeBase64(
      `FLS_REGISTRY_USERNAME='${username}'\nFLS_REGISTRY_PASSWORD='${password.replace("'", "'\\''")}'\n`
    )

  it.scopedLive("logs in to the registry of an image, and shows the password nowhere", () =>
    Effect.gen(function*() {
      const { clients, ran } = yield* board()
      let shown = ""
      yield* BaseFlasher.flash(clients, ofRegistry, {
        console: { onText: (text) => Effect.sync(() => void (shown += text)) }
      })
      const parts = ran.flatMap((command) => /^printf %s (\S+) >> /.exec(command)?.[1] ?? [])
      assert.isAbove(parts.length, 3)
      for (const part of parts) {
        assert.isAtMost(part.length, 512)
        assert.notInclude(shown, part)
      }
      assert.strictEqual(parts.join(""), encoded("robot$1"))
      assert.include(
        ran,
        "(set -a; . /tmp/flash.credentials; rm -f /tmp/flash.credentials; exec fls from-url -i 1.0 -n --o-direct "
          + "'oci://registry.example/board/image:latest' '/dev/mmcblk0')"
      )
      // The console shows what is typed before and afterwards.
      assert.include(shown, "stty -echo")
      assert.include(shown, "fls from-url")
    }).pipe(hurried))

  it.scopedLive("hides a password that the board prints", () =>
    Effect.gen(function*() {
      const { clients } = yield* board({ denied: `denied: ${password}\r\n` })
      const error = yield* Effect.flip(BaseFlasher.flash(clients, ofRegistry, { retries: 0 }))
      assert(error._tag === "CommandFailed", error.message)
      assert.deepStrictEqual(error.output, ["denied: <redacted>"])
      for (const shown of [error.message, inspect(error), JSON.stringify(error)]) {
        assert.notInclude(shown, "0123456789")
        assert.notInclude(shown, encoded("robot$1").slice(40, 80))
      }
    }).pipe(hurried))

  it.scopedLive("does not type a password that the console would show", () =>
    Effect.gen(function*() {
      const { clients, ran } = yield* board()
      // A shell that goes on with its echo.
      const deaf = (bytes: Uint8Array) => utf8(text(bytes).replace("stty -echo", "stty -x   "))
      const serial = {
        connect: () =>
          Effect.map(clients.serial.connect(), (line) => ({
            ...line,
            write: (bytes: Uint8Array) => line.write(deaf(bytes))
          }))
      }
      const error = yield* Effect.flip(BaseFlasher.flash({ ...clients, serial }, ofRegistry))
      assert.strictEqual(
        error.message,
        "cannot flash the image: the console would show the credentials: `stty -echo` does not stop its echo"
      )
      assert.deepStrictEqual(ran.filter((command) => /printf|fls/.test(command)), [])
    }).pipe(hurried))

  it.scopedLive("refuses images that cannot be fetched so, before anything happens", () =>
    Effect.gen(function*() {
      const { calls, clients } = yield* board()
      const { credentials } = ofRegistry
      const problems = [
        [
          { url: "https://images.example/i", credentials },
          {},
          "credentials are for images of registries, whose URLs begin with oci://"
        ],
        [ofRegistry, { method: "shell" }, "only the method `fls` can fetch an image of a registry"],
        [{ ...ofRegistry, credentials: { ...credentials, username: "" } }, {}, "the credentials have no username"],
        [
          { ...ofRegistry, credentials: { ...credentials, password: Redacted.make("") } },
          {},
          "the credentials have no password"
        ]
      ] as const
      for (const [image, options, reason] of problems) {
        const error = yield* Effect.flip(BaseFlasher.flash(clients, image, options))
        assert.deepInclude(error, { _tag: "InvalidImage", reason })
      }
      assert.deepStrictEqual(calls, [])
    }))

  it.scopedLive("fails once for a target that is not there, and for a manifest that cannot be read", () =>
    Effect.gen(function*() {
      const { clients, ran } = yield* board()
      const target = yield* Effect.flip(BaseFlasher.flash(clients, image, { target: "nvme" }))
      assert.strictEqual(
        target.message,
        "cannot flash the target \"nvme\": the bundle does not have it; the bundle has emmc, usd"
      )
      const partition = yield* Effect.flip(BaseFlasher.flash(clients, image, { partition: "no such" }))
      assert.match(
        partition.message,
        /^cannot flash the target "emmc": the board has no partition with the label no such; the bundle has emmc, usd$/
      )
      assert.include(ran, "test -b '/dev/disk/by-partlabel/no such'")
      assert.isFalse(ran.some((command) => command.includes("pipefail")))
      for (const yaml of ["a: [", "metadata: { name: x }"]) {
        const broken = yield* board({ manifest: yaml })
        const error = yield* Effect.flip(BaseFlasher.manifest(broken.clients.flasher))
        assert.strictEqual(error._tag, "InvalidManifest")
      }
    }).pipe(hurried))
})

describe("the shell of a device", () => {
  const job: deviceShell.Job = {
    url: "http://10.0.0.1/it's.img.xz",
    name: "it's.img.xz",
    target: "/dev/mmcblk0",
    certificate: false,
    insecureTls: false,
    headers: {}
  }

  it("fetches, decompresses and writes in one pipeline, and keeps its exit code", () => {
    assert.strictEqual(
      deviceShell.start(job),
      "rm -f /tmp/flash.code; (set -o pipefail; curl -fsSL 'http://10.0.0.1/it'\\''s.img.xz' | xzcat | "
        + "dd of='/dev/mmcblk0' bs=64k iflag=fullblock oflag=direct; echo $? > /tmp/flash.code) > /tmp/flash.log 2>&1 & true"
    )
    const decompressors = ["a.gz", "A.XZ", "a.zst?x=1", "a.img"].map((name) =>
      /(\w+cat) \|/.exec(deviceShell.start({ ...job, name }))?.[1]
    )
    assert.deepStrictEqual(decompressors, ["zcat", "xzcat", "zstdcat", undefined])
    assert.include(
      deviceShell.start({ ...job, certificate: true, insecureTls: true, headers: { A: "b c" } }),
      "curl -fsSL -k --cacert /tmp/cacert.crt -H 'A: b c' 'http"
    )
    assert.strictEqual(
      deviceShell.fls({ ...job, url: "oci://registry.example/i" }),
      "fls from-url -i 1.0 -n --o-direct 'oci://registry.example/i' '/dev/mmcblk0'"
    )
  })

  it("reads how far the pipeline is", () => {
    assert.deepStrictEqual(deviceShell.readState([]), { code: undefined, bytes: undefined })
    assert.deepStrictEqual(deviceShell.readState(["pos:\t4096", "flags: 02"]), { code: undefined, bytes: 4096 })
    assert.deepStrictEqual(deviceShell.readState(["22"]), { code: 22, bytes: undefined })
  })
})
