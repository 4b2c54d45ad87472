// The commands that watch, talk, transfer and forward.
import { Driver, Exporter } from "@effect-jumpstarter/core"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as Net from "node:net"
import { gzipSync } from "node:zlib"
import { bench, bytesOf, jsonLines, run } from "./support.ts"

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const write = (path: string, bytes: Uint8Array) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.writeFile(path, bytes)).pipe(Effect.provide(NodeContext.layer))

const read = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readFile(path)).pipe(Effect.provide(NodeContext.layer))

describe("watch", () => {
  it.scopedLive("prints lines of JSON where there is no terminal", () =>
    Effect.gen(function*() {
      const { path, power } = yield* bench
      yield* power.setVoltage(5)
      const { code, out } = yield* run(["watch", "power", "read", "--count", "2", "--host", path])
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(jsonLines(out), Array.from({ length: 2 }, () => ({ voltage: 0, current: 0 })))
    }))

  it.scopedLive("draws numbers as a chart on a terminal, in place", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      yield* run(["call", "power", "on", "--host", path])
      const { code, out } = yield* run(["watch", "power", "read", "--count", "3", "--host", path], { isTerminal: true })
      assert.strictEqual(code, 0)
      const [first, second = ""] = out.split("\x1b[2A")
      assert.strictEqual(first, "\r\x1b[2Kvoltage         5 █ 0 to 5\n\r\x1b[2Kcurrent         2 █ 0 to 2\n")
      assert.include(second, "5 ██ 0 to 5")
      assert.strictEqual(out.split("\x1b[2A").length, 3)
    }))

  it.scopedLive("bounds the names that an exporter gives to numbers, and shows them harmlessly", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const { code, out } = yield* run(["watch", "group.fan", "gauges", "--host", path], { isTerminal: true })
      assert.strictEqual(code, 0)
      const lines = out.replaceAll("\r\x1b[2K", "").trimEnd().split("\n")
      assert.strictEqual(lines.length, 12)
      for (const line of lines) assert.notMatch(line, /[\p{Cc}\u202e]/u)
      assert.match(lines[0] ?? "", /^\\x1b\]0;owned/)
    }))

  it.scopedLive("ends after a time, and prints what are no numbers as lines", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const timed = yield* run(["watch", "power", "read", "--for", "100 millis", "--host", path])
      assert.strictEqual(timed.code, 0)
      const names = yield* run(["watch", "group.fan", "names", "--host", path], { isTerminal: true })
      assert.strictEqual(names.out, "\"one\"\n\"two\"\n")
    }))

  it.scopedLive("is not for calls", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const { code, err } = yield* run(["watch", "power", "on", "--host", path])
      assert.strictEqual(code, 2)
      assert.match(err, /power\.on returns no stream; use `effect-jumpstarter call power on`/)
    }))
})

describe("console", () => {
  it.scopedLive("passes keys on until the escape key, and what the device says unchanged", () =>
    Effect.gen(function*() {
      const { path, serial } = yield* bench
      const answered = yield* Deferred.make<void>()
      let said = ""
      const input = Stream.concat(
        bytesOf("hello\r"),
        Stream.unwrap(Effect.as(Deferred.await(answered), bytesOf("\x03\x1d not sent")))
      )
      const { code, err, out } = yield* run(["console", "serial", "--host", path], {
        isTerminal: true,
        input,
        onOutput: (text) => {
          said += text
          if (said.includes("you said hello\r\n=> ")) Deferred.unsafeDone(answered, Effect.void)
        }
      })
      assert.strictEqual(code, 0)
      assert.strictEqual(err, "connected to serial; Ctrl-] ends\n")
      assert.isTrue(out.startsWith("booting\r\n=> hello"), out)
      const typed = (yield* serial.transcript).flatMap(({ from, text }) => from === "client" ? [text] : []).join("")
      assert.strictEqual(typed, "hello\r\x03")
    }))

  it.scopedLive("sends lines, waits for an expression, and keeps a transcript", () =>
    Effect.gen(function*() {
      const { directory, path } = yield* bench
      const transcript = `${directory}/console.log`
      const words = [
        "console",
        "serial",
        "--send",
        "one",
        "--transcript",
        transcript,
        "--host",
        path,
        "--timeout",
        "5 s"
      ]
      const { code, out } = yield* run([...words, "--expect", "/you said (\\w+)\\r\\n/"])
      assert.strictEqual(code, 0)
      assert.include(out, "you said one\r\n")
      assert.include(new TextDecoder().decode(yield* read(transcript)), "you said one\r\n")
    }))

  it.scopedLive.skipIf(process.platform !== "linux")(
    "fails when the disk of its transcript is full",
    () =>
      Effect.gen(function*() {
        const { path } = yield* bench
        const { code, err } = yield* run(["console", "serial", "--transcript", "/dev/full", "--host", path])
        assert.strictEqual(code, 6)
        assert.match(err, /^effect-jumpstarter: [^\n]*ENOSPC[^\n]*\n$/)
      })
  )

  it.scopedLive("fails when the device does not say it in time", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const { code, err } = yield* run([
        ...["console", "serial", "--expect", "login: ", "--timeout", "200 millis", "--host", path]
      ])
      assert.strictEqual(code, 5)
      assert.match(
        err,
        /^effect-jumpstarter: no match for "login: " within 200ms on the console "serial"; unread text: .*\n$/
      )
    }))

  it.scopedLive("shows what the device says as lines of JSON", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const terminal = { isTerminal: true, input: bytesOf("one\r") }
      const { code, out } = yield* run(["console", "serial", "--json", "--host", path], terminal)
      assert.strictEqual(code, 0)
      assert.include(jsonLines(out).map((line) => (line as never)["text"]).join(""), "you said one\r\n=> ")
      const words = ["console", "serial", "--json", "--send", "two", "--expect", "said two", "--host", path]
      const said = yield* run(words)
      assert.include(jsonLines(said.out).map((line) => (line as never)["text"]).join(""), "you said two")
    }))

  it.scopedLive("ends with a piped input, when the device is silent", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const { code, out } = yield* run(["console", "serial", "--host", path], { input: bytesOf("one\r", "two\r") })
      assert.strictEqual(code, 0)
      assert.include(out, "you said two\r\n=> ")
    }))

  it.scopedLive("says in one line what cannot be a console, a key or an expression", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      for (
        const [words, line] of [
          [["power"], /power is a Power, which has no console/],
          [["serial", "--escape", "q"], /--escape q is no key; write one such as ctrl-\] or ctrl-b/],
          [["serial", "--expect", "/(/"], /--expect \/\(\/ is no regular expression/],
          [["serial", "--expect", "x", "--timeout", "soon"], /--timeout "soon" is not a duration/]
        ] as const
      ) {
        const { code, err } = yield* run(["console", ...words, "--host", path])
        assert.strictEqual(code, 2, err)
        assert.match(err, line)
      }
    }))
})

const image = new Uint8Array(300_000).map((_, index) => index % 251)

describe("flash and dump", () => {
  it.scopedLive("write and read a device, with its hash, and compare", () =>
    Effect.gen(function*() {
      const { directory, flasher, path } = yield* bench
      const file = `${directory}/image.img`
      yield* write(file, image)
      const flashed = yield* run([
        "flash",
        "group.flasher",
        file,
        "--target",
        "boot",
        "--verify",
        "--json",
        "--host",
        path
      ])
      assert.deepStrictEqual(
        { code: flashed.code, ...JSON.parse(flashed.out) },
        { code: 0, driver: "group.flasher", image: file, bytes: image.length, sha256: sha256(image), verified: true }
      )
      assert.match(flashed.err, /^flash 100 % \(0\.3 of 0\.3 MB\)/m)
      assert.deepStrictEqual((yield* flasher.flashed).map(({ target }) => target), ["boot"])
      const dumped = yield* run(["dump", "group.flasher", `${directory}/dump.img`, "--target", "boot", "--host", path])
      assert.strictEqual(
        dumped.out,
        `group.flasher: read ${image.length} bytes into ${directory}/dump.img, sha256 ${sha256(image)}\n`
      )
      assert.strictEqual(sha256(yield* read(`${directory}/dump.img`)), sha256(image))
    }))

  it.scopedLive("have the exporter decode an image whose name says that it is compressed", () =>
    Effect.gen(function*() {
      const { directory, flasher, path } = yield* bench
      const file = `${directory}/image.img.gz`
      yield* write(file, gzipSync(image))
      const { code, err } = yield* run(["flash", "group.flasher", file, "--host", path])
      assert.strictEqual(code, 0, err)
      assert.strictEqual((yield* flasher.flashed)[0]?.sha256, sha256(image))
    }))

  it.scopedLive("write, read and compare storage behind a switch, which leads to the device afterwards", () =>
    Effect.gen(function*() {
      const { directory, path: socket } = yield* bench
      const events: Array<string> = []
      const note = (event: string) => Driver.call(() => Effect.sync(() => void events.push(event)))
      let content = new Uint8Array()
      const mux = Driver.make({
        client: "jumpstarter_driver_opendal.client.StorageMuxClient",
        methods: {
          host: note("host"),
          dut: note("dut"),
          write: Driver.call(([handle], { resource }) =>
            Effect.scoped(Effect.gen(function*() {
              const { read } = yield* resource(handle)
              events.push("write")
              content = Buffer.concat(Array.from(yield* Stream.runCollect(read)))
            }))
          ),
          read: Driver.call(([handle], { resource }) =>
            Effect.scoped(Effect.gen(function*() {
              const { write } = yield* resource(handle)
              events.push("read")
              yield* write(Stream.make(content))
            }))
          )
        }
      })
      const path = `${socket}.mux`
      yield* Exporter.serve(yield* Exporter.make(Driver.composite({ mux }), { localLogs: false }), { path })
      const file = `${directory}/image.img`
      yield* write(file, image)
      const flashed = yield* run(["flash", "mux", file, "--verify", "--host", path])
      assert.strictEqual(flashed.code, 0, flashed.err)
      assert.match(flashed.out, /read back unchanged/)
      assert.deepStrictEqual(events.splice(0), ["host", "write", "dut", "host", "read", "dut"])
      const dumped = yield* run(["dump", "mux", `${directory}/dump.img`, "--host", path])
      assert.strictEqual(dumped.code, 0, dumped.err)
      assert.deepStrictEqual(events, ["host", "read", "dut"])
    }))

  it.scopedLive("have the exporter fetch a URL, and do not print what may be secret in it", () =>
    Effect.gen(function*() {
      const { directory } = yield* bench
      const seen: Array<unknown> = []
      const flasher = Driver.make({
        client: "jumpstarter_driver_opendal.client.FlasherClient",
        methods: { flash: Driver.call(([handle]) => Effect.sync(() => void seen.push(handle))) }
      })
      const path = `${directory}/fetching.sock`
      yield* Exporter.serve(yield* Exporter.make(Driver.composite({ flasher }), { localLogs: false }), { path })
      const url = "https://user:pass@images.example/x.xz?signature=abc#d"
      const words = ["flash", "flasher", url, "--host", path]
      const { code, err, out } = yield* run([...words, "--encoding", "identity"])
      assert.strictEqual(code, 0, err)
      assert.deepStrictEqual({ err, out }, { err: "", out: "flasher: wrote https://images.example/x.xz\n" })
      assert.match((yield* run(words)).err, /compressed|decode/)
      assert.include(JSON.stringify(seen[0]), "signature=abc")
    }))

  it.scopedLive("fail in one line", () =>
    Effect.gen(function*() {
      const { directory, flasher, path } = yield* bench
      const file = `${directory}/image.img`
      yield* write(file, image)
      yield* flasher.failAfter(1_000)
      for (
        const [words, code, line] of [
          [["flash", "group.flasher", file], 1, /group\.flasher\.flash.* after 1000 bytes/],
          [
            ["flash", "group.flasher", `${directory}/none.img`],
            6,
            /: \/\S+none\.img: there is no such file or directory$/m
          ],
          [
            ["flash", "power", file],
            2,
            /power is a Power, which has no method flash or write; name one that has: group\.flasher/
          ],
          [["flash", "group.flasher", "https://images.example/x", "--verify"], 2, /--verify needs a local image/],
          [
            ["flash", "group.flasher", "https://images.example/x.xz", "--encoding", "xz"],
            2,
            /--encoding xz needs a local image: an exporter does not decode what it fetches from a URL/
          ]
        ] as const
      ) {
        const outcome = yield* run([...words, "--host", path])
        assert.strictEqual(outcome.code, code, outcome.err)
        assert.match(outcome.err.split("\n").filter((text) => text.startsWith("effect-jumpstarter: ")).join("\n"), line)
      }
    }))
})

describe("forward", () => {
  it.scopedLive("forwards a port, and prints its address first", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const address = yield* Deferred.make<string>()
      yield* Effect.forkScoped(run(["forward", "serial", "--host", path], {
        onOutput: (text) => Deferred.unsafeDone(address, Effect.succeed(text.trim()))
      }))
      const [host = "", port = ""] = (yield* Deferred.await(address)).split(":")
      const greeting = yield* Effect.async<string>((resume) => {
        const socket = Net.connect(Number(port), host)
        socket.once("data", (data) => resume(Effect.succeed(String(data))))
        return Effect.sync(() => socket.destroy())
      })
      assert.match(greeting, /^booting/)
    }))

  it.scopedLive("fails in one line when it cannot listen, and for drivers without connections", () =>
    Effect.gen(function*() {
      const { directory, path } = yield* bench
      const taken = yield* run(["forward", "serial", "--socket", `${directory}/none/x.sock`, "--host", path])
      assert.strictEqual(taken.code, 6, taken.err)
      assert.match(taken.err, /cannot listen on .*none\/x\.sock/)
      const power = yield* run(["forward", "power", "--host", path])
      assert.strictEqual(power.code, 2)
      assert.match(power.err, /power is a Power, which cannot be forwarded/)
    }))
})

describe("contract", () => {
  it.scopedLive("prints a skeleton", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const { code, out } = yield* run(["contract", "group.fan", "--host", path])
      assert.strictEqual(code, 0)
      assert.include(out, "export const Fan = DriverInterface.make(\"acme_drivers.client.FanClient\", {")
      assert.notInclude(out, "\x1b")
      const json = JSON.parse((yield* run(["contract", "group.fan", "--json", "--host", path])).out)
      assert.deepInclude(json, { driver: "group.fan", client: "acme_drivers.client.FanClient", contract: null })
      assert.include(json.skeleton, "export const Fan = DriverInterface.make(")
    }))
})
