// The command line on Jumpstarter's own exporter, and Jumpstarter's own client behind `record` and `replay`.
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import { bytesOf, jsonLines, run } from "../support.ts"

const python = Effect.orDie(Config.string("JUMPSTARTER_PYTHON"))

/** The board of interop/board.py: the path of its socket. */
const board = Effect.gen(function*() {
  const program = fileURLToPath(new URL("../../../../interop/board.py", import.meta.url))
  const { stdout } = yield* Command.start(Command.make(yield* python, program))
  return yield* stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.runHead, Effect.flatten)
}).pipe(Effect.provide(NodeContext.layer))

describe("the command line on a Python exporter", () => {
  it.scopedLive("looks, calls, measures, talks, flashes and dumps", () =>
    Effect.gen(function*() {
      const path = yield* board
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      const on = (...words: ReadonlyArray<string>) => run([...words, "--host", path])

      const tree = yield* on("tree")
      assert.strictEqual(tree.code, 0, tree.err)
      assert.match(tree.out, /├─ serial {3}Serial {5}jumpstarter_driver_pyserial/)
      assert.strictEqual(JSON.parse((yield* on("status", "--wait", "--json")).out).status, "LEASE_READY")
      assert.deepStrictEqual(yield* on("call", "power", "on"), { code: 0, out: "", err: "" })
      const [reading] = jsonLines((yield* on("watch", "power", "read", "--count", "1")).out)
      assert.hasAllKeys(reading, ["voltage", "current"])

      const said = yield* run(["console", "serial", "--host", path], { input: bytesOf("version\n") })
      assert.strictEqual(said.code, 0, said.err)
      assert.include(said.out, "U-Boot 2026.01\r\n=> ")

      const image = new Uint8Array(500_000).map((_, index) => index % 253)
      yield* files.writeFile(`${directory}/image.img`, image)
      const flashed = yield* on("flash", "flasher", `${directory}/image.img`, "--verify", "--json")
      assert.strictEqual(flashed.code, 0, flashed.err)
      const dumped = yield* on("dump", "flasher", `${directory}/dump.img`, "--json")
      assert.strictEqual(JSON.parse(dumped.out).sha256, JSON.parse(flashed.out).sha256)

      const logs = yield* on("logs", "--no-follow", "--json")
      assert.isTrue(jsonLines(logs.out).every((line) => typeof line === "object"))
      const missing = yield* on("call", "power", "rescue")
      assert.strictEqual(missing.code, 1)
      assert.match(missing.err, /^effect-jumpstarter: call power\.rescue .*\n$/)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("records Python's client, and replays it without the exporter", () =>
    Effect.gen(function*() {
      const path = yield* board
      const files = yield* FileSystem.FileSystem
      const file = `${yield* files.makeTempDirectoryScoped()}/board.jsonl`
      const program = [
        "from jumpstarter.common.utils import env",
        "with env() as client:",
        "    client.power.on()",
        "    reading = next(iter(client.power.read()))",
        "    assert reading.voltage >= 0",
        "    client.power.off()"
      ].join("\n")
      const words = ["--", "env", "JMP_DRIVERS_ALLOW=UNSAFE", yield* python, "-c", program]
      const recorded = yield* run(["record", file, "--host", path, ...words])
      assert.strictEqual(recorded.code, 0, recorded.err)
      const calls = (yield* files.readFileString(file)).split("\n").filter((line) =>
        line.includes("\"driver\":\"power\"")
      )
      assert.isAtLeast(calls.length, 3)
      const replayed = yield* run(["replay", file, ...words])
      assert.deepStrictEqual(replayed, { code: 0, out: "", err: "" })
    }).pipe(Effect.provide(NodeContext.layer)))
})
