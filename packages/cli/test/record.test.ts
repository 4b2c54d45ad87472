// A program that other command lines stand in for: it gets the address of the exporter, and they use it until it ends.
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { execFileSync } from "node:child_process"
import { bench, type Outcome, run } from "./support.ts"

/** Runs a command line whose program lives as long as `use`, with the address that the program is given. */
const withProgram = (
  words: ReadonlyArray<string>,
  directory: string,
  use: (socket: string) => Effect.Effect<unknown>
): Effect.Effect<Outcome, unknown> =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const [told, ended] = ["told", "ended"].map((name) => `${directory}/${name}-${words[0]}`) as [string, string]
    execFileSync("mkfifo", [told, ended])
    const script = `echo "$JUMPSTARTER_HOST" > ${told}; cat ${ended} > /dev/null`
    const running = yield* Effect.fork(run([...words, "--", "sh", "-c", script]))
    yield* use((yield* files.readFileString(told)).trim())
    yield* files.writeFileString(ended, "")
    const outcome = yield* Fiber.join(running)
    yield* Effect.forEach([told, ended], (path) => files.remove(path))
    return outcome
  }).pipe(Effect.provide(NodeContext.layer))

const image = new Uint8Array(100_000).map((_, index) => index % 251)

const dialogue = (directory: string) => (host: string) =>
  Effect.gen(function*() {
    const on = yield* run(["call", "power", "on", "--host", host])
    assert.strictEqual(on.code, 0, on.err)
    const said = yield* run([
      ...[
        "console",
        "serial",
        "--send",
        "hello",
        "--expect",
        "/said hello\\r\\n=> /",
        "--timeout",
        "10s",
        "--host",
        host
      ]
    ])
    assert.strictEqual(said.code, 0, said.err)
    const flashed = yield* run(["flash", "group.flasher", `${directory}/image.img`, "--host", host])
    assert.strictEqual(flashed.code, 0, flashed.err)
    const missing = yield* run(["call", "group.fan", "melt", "--host", host])
    assert.match(missing.err, /melt is not implemented \(NOT_FOUND/)
  })

describe("record and replay", () => {
  it.scopedLive("run a program with an exporter, and again without it", () =>
    Effect.gen(function*() {
      const { directory, flasher, path } = yield* bench
      yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.writeFile(`${directory}/image.img`, image)).pipe(
        Effect.provide(NodeContext.layer)
      )
      const file = `${directory}/board.jsonl`
      const recorded = yield* withProgram(["record", file, "--host", path], directory, dialogue(directory))
      assert.strictEqual(recorded.code, 0, recorded.err)
      assert.match(recorded.err, /recorded .*board\.jsonl; read it before you share it/)
      assert.strictEqual((yield* flasher.flashed).length, 1)

      const replayed = yield* withProgram(["replay", file], directory, dialogue(directory))
      assert.deepStrictEqual(replayed, { code: 0, out: "", err: "" })
      assert.strictEqual((yield* flasher.flashed).length, 1)

      const differs = yield* withProgram(["replay", file], directory, (host) =>
        Effect.map(run(["call", "power", "off", "--host", host]), ({ err }) =>
          assert.match(err, /call power\.off\(\) is not in the recording/)))
      assert.strictEqual(differs.code, 5)
      assert.match(differs.err, /^effect-jumpstarter: the program differs from the recording .*board\.jsonl: .*\n$/)
    }))

  it.scopedLive("end with the exit code of the program, and say in one line what is wrong", () =>
    Effect.gen(function*() {
      const { directory, path } = yield* bench
      const failed = yield* run(["record", `${directory}/x.jsonl`, "--host", path, "--", "sh", "-c", "exit 3"])
      assert.deepStrictEqual(failed, { code: 3, out: "", err: "" })
      const killed = yield* run(["record", `${directory}/x.jsonl`, "--host", path, "--", "sh", "-c", "kill -9 $$"])
      assert.deepStrictEqual(killed, { code: 137, out: "", err: "" })
      for (
        const [words, code, line] of [
          [["record", `${directory}/x.jsonl`, "--host", path], 2, /say which program to record, after --/],
          [["replay", `${directory}/none.jsonl`, "--", "true"], 6, /none\.jsonl/],
          [["record", `${directory}/none/x.jsonl`, "--host", path, "--", "true"], 6, /none\/x\.jsonl/]
        ] as const
      ) {
        const outcome = yield* run(words)
        assert.strictEqual(outcome.code, code, outcome.err)
        assert.match(outcome.err, line)
        assert.strictEqual(outcome.err.trimEnd().split("\n").length, 1)
      }
    }))
})
