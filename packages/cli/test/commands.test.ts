import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { bench, hostile, jsonLines, type Outcome, run, type Terminal } from "./support.ts"

const onBench = (words: ReadonlyArray<string>, terminal: Terminal = {}) =>
  Effect.flatMap(bench, ({ path }) => run([...words, "--host", path], terminal))

const failed = ({ err, out }: Outcome, line: RegExp) => {
  assert.strictEqual(out, "")
  assert.match(err, line)
  assert.strictEqual(err.indexOf("\n"), err.length - 1, `one line: ${err}`)
}

const harmless = (text: string) => assert.notMatch(text, /(?!\n)[\p{Cc}\u202e]/u)

describe("effect-jumpstarter", () => {
  it.live("lists its commands, each with help and an example", () =>
    Effect.gen(function*() {
      const { code, out } = yield* run([])
      assert.strictEqual(code, 0)
      const names = Array.from(out.matchAll(/^ {2}(\w+) /gm), ([, name]) => name ?? "")
      assert.includeMembers(names, ["tree", "status", "call", "logs", "doctor"])
      for (const name of names) {
        const help = yield* run([name, "--help"])
        assert.strictEqual(help.code, 0, name)
        assert.include(help.out, `Example: effect-jumpstarter ${name}`)
        harmless(help.out)
      }
      for (const name of ["create", "extend", "release", "shell"]) {
        const help = yield* run(["lease", name, "--help"])
        assert.include(help.out, `$ effect-jumpstarter lease ${name} `)
        assert.include(help.out, `Example: effect-jumpstarter lease ${name}`)
      }
    }))

  it.live("says in one line what is wrong with a command line", () =>
    Effect.gen(function*() {
      for (
        const [words, line] of [
          [["tee"], /^effect-jumpstarter: there is no command tee; `effect-jumpstarter --help` lists them\n$/],
          [
            ["--hlep"],
            /^effect-jumpstarter: --hlep is the option of no command; `effect-jumpstarter --help` lists the commands\n$/
          ],
          [["call"], /Missing argument <path>; see `effect-jumpstarter call --help`/],
          [["call", "board.power.on"], /<method>; write the method as a word of its own: board\.power on; see/],
          [["status", "--host"], /^effect-jumpstarter: the option --host of status needs a value\n$/],
          [["tree", "--jsn"], /tree has no option --jsn; it has .*--json/],
          [["tree"], /no exporter is named; give --host ADDRESS, lease one with --selector/],
          [["tree", "--client", "lab"], /say which board with --selector, --exporter or --lease/],
          [["tree", "--host", "a.sock", "-l", "a=b"], /--host names an exporter already/],
          [["logs", "--level", "LOUD"], /Expected one of the following cases: DEBUG, INFO/],
          [["status", "--host", "bench-3"], /bench-3/]
        ] as const
      ) {
        const outcome = yield* run(words)
        failed(outcome, line)
        assert.isTrue(outcome.code === 2 || outcome.code === 3, words.join(" "))
      }
    }))

  it.live("says as JSON what is wrong, where the results are JSON", () =>
    Effect.gen(function*() {
      const environment = { JUMPSTARTER_HOST: "/tmp/no-such-exporter.sock" }
      for (
        const [words, error, message] of [
          [
            ["status", "--json"],
            { code: 3, kind: "connection", tag: "ConnectError" },
            /^cannot connect to the exporter/
          ],
          [["tree", "--json", "--jsn"], { code: 2, kind: "usage", tag: "CommandError" }, /^tree has no option --jsn/],
          [["tee", "--json"], { code: 2, kind: "usage", tag: "CommandError" }, /^there is no command tee/]
        ] as const
      ) {
        const { code, err, out } = yield* run(words, { environment })
        assert.deepStrictEqual({ code, out }, { code: error.code, out: "" })
        const [line, ...others] = jsonLines(err)
        assert.lengthOf(others, 0)
        assert.deepInclude(line, { error: { ...error, message: (line as never)["error"]["message"] } })
        assert.match((line as never)["error"]["message"], message)
      }
      const asText = yield* run(["call", "power", "set", "--", "--json"], { environment })
      assert.match(asText.err, /^effect-jumpstarter: /)
    }))

  it.live("says in one line, with every command, that there is no exporter or no lab", () =>
    Effect.gen(function*() {
      const nowhere = ["--host", "/tmp/no-such-exporter.sock"]
      const noLab = ["--client-config", "/tmp/no-such-file.yaml"]
      const commands: ReadonlyArray<readonly [code: number, ...words: ReadonlyArray<string>]> = [
        [3, "tree", ...nowhere],
        [3, "status", ...nowhere],
        [3, "call", "power", "on", ...nowhere],
        [3, "watch", "power", "read", ...nowhere],
        [3, "console", "serial", ...nowhere],
        [3, "logs", ...nowhere],
        [3, "flash", "storage", "image.img", ...nowhere],
        [3, "dump", "storage", "image.img", ...nowhere],
        [3, "forward", "ssh", ...nowhere],
        [3, "contract", "power", ...nowhere],
        [3, "mcp", ...nowhere],
        [4, "exporters", ...noLab],
        [4, "leases", ...noLab],
        [4, "lease", "create", "-l", "a=b", ...noLab],
        [4, "lease", "extend", "one", "--by", "1 hour", ...noLab],
        [4, "lease", "release", "one", ...noLab],
        [4, "lease", "shell", "-l", "a=b", ...noLab],
        [4, "tree", "-l", "a=b", ...noLab],
        [6, "replay", "/tmp/no-such-recording.jsonl", "--", "true"],
        [6, "page", "/tmp/no-such-record.jsonl"]
      ]
      const outcomes = yield* Effect.forEach(
        commands,
        ([code, ...words]) => Effect.map(run(words), (outcome) => ({ code, words, outcome })),
        { concurrency: "unbounded" }
      )
      for (const { code, outcome, words } of outcomes) {
        failed(outcome, /^effect-jumpstarter: .*no-such/)
        assert.strictEqual(outcome.code, code, words.join(" "))
      }
    }))

  it.live("says that nothing listens", () =>
    Effect.gen(function*() {
      const outcome = yield* run(["status"], { environment: { JUMPSTARTER_HOST: "/tmp/no-such-exporter.sock" } })
      failed(outcome, /cannot connect to the exporter at unix:\/tmp\/no-such-exporter\.sock \(Unreachable\).*doctor/)
      assert.strictEqual(outcome.code, 3)
    }))
})

describe("tree", () => {
  it.scopedLive("lists drivers with their contracts", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* onBench(["tree"])
      assert.deepStrictEqual({ code, err }, { code: 0, err: "" })
      const lines = out.split("\n").map((line) => line.split(/ {2,}/).slice(0, 2).join(" | "))
      assert.deepStrictEqual(lines, [
        ". | Composite",
        "├─ power | Power",
        "├─ serial | Serial",
        "└─ group | Composite",
        " | ├─ flasher",
        " | └─ fan",
        ""
      ])
      assert.include(out, "The fan \\x1b]0;owned\\x07\\x9b31mred\\u202e")
      harmless(out)
    }))

  it.scopedLive("lists methods, with what they do to the world", () =>
    Effect.gen(function*() {
      const { out } = yield* onBench(["tree", "--methods"])
      assert.match(out, /│ +read\(\) {2}read, a stream of items\n/)
      assert.match(out, /│ +set_dtr\(enabled\) {2}write\n/)
      assert.match(out, / +flash\(image, target\) {2}destructive\n/)
      assert.match(out, / +set_speed\n/)
    }))

  it.scopedLive("is a document of JSON", () =>
    Effect.gen(function*() {
      const { out } = yield* onBench(["tree", "--json"])
      harmless(out)
      const { root } = JSON.parse(out)
      assert.deepStrictEqual(root.children.map(({ contract, path }: never) => [path, contract]), [
        [["power"], "Power"],
        [["serial"], "Serial"],
        [["group"], "Composite"]
      ])
      assert.strictEqual(root.children[2].children[1].description, `The fan ${hostile}`)
    }))
})

describe("status", () => {
  it.scopedLive("shows the exporter and its status", () =>
    Effect.gen(function*() {
      const { code, out } = yield* onBench(["status", "--wait"])
      assert.strictEqual(code, 0)
      assert.match(out, /^address {2}unix:.*exporter\.sock\nstatus {3}LEASE_READY\n/)
      const { out: json } = yield* onBench(["status", "--json"])
      assert.strictEqual(JSON.parse(json).status, "LEASE_READY")
    }))

  it.scopedLive("follows each change, also one that comes right after the first line", () =>
    Effect.gen(function*() {
      const { exporter, path } = yield* bench
      const seen: Array<string> = []
      const second = yield* Deferred.make<void>()
      yield* Effect.forkScoped(run(["status", "--follow", "--json", "--host", path], {
        onOutput: (line) => {
          seen.push(JSON.parse(line).status)
          if (seen.length === 1) Effect.runFork(exporter.setStatus("AFTER_LEASE_HOOK"))
          else Deferred.unsafeDone(second, Effect.void)
        }
      }))
      yield* Deferred.await(second)
      assert.deepStrictEqual(seen, ["LEASE_READY", "AFTER_LEASE_HOOK"])
    }))
})

describe("call", () => {
  it.scopedLive("calls a method of a contract", () =>
    Effect.gen(function*() {
      const { path, power, serial } = yield* bench
      assert.deepStrictEqual(yield* run(["call", "power", "on", "--host", path]), { code: 0, out: "", err: "" })
      assert.isTrue(yield* power.isOn)
      assert.deepStrictEqual(
        yield* run(["call", "serial", "set_dtr", "true", "--json", "--host", path]),
        { code: 0, out: "null\n", err: "" }
      )
      assert.isTrue((yield* serial.lines).dtr)
    }))

  it.scopedLive("names the argument that is wrong, and sends nothing", () =>
    Effect.gen(function*() {
      const { path, serial } = yield* bench
      for (
        const [args, line] of [
          [["5"], /argument 1 \(enabled\) of serial\.set_dtr: expected boolean, actual 5/],
          [["yes"], /argument 1 \(enabled\) of serial\.set_dtr: expected boolean, actual "yes"/],
          [[], /serial\.set_dtr takes 1 argument \(enabled\); 0 are given/],
          [["true", "1"], /serial\.set_dtr takes 1 argument \(enabled\); 2 are given/]
        ] as const
      ) {
        const outcome = yield* run(["call", "serial", "set_dtr", ...args, "--host", path])
        failed(outcome, line)
        assert.strictEqual(outcome.code, 2)
      }
      assert.isFalse((yield* serial.lines).dtr)
    }))

  it.scopedLive("calls a driver without a contract with JSON, and shows its texts harmlessly", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const call = (...words: ReadonlyArray<string>) => run(["call", "group.fan", ...words, "--host", path])
      assert.deepStrictEqual(JSON.parse((yield* call("set_speed", "{\"percent\":[1]}")).out), { percent: [1] })
      assert.strictEqual((yield* call("set_speed", "-5")).out, "-5\n")
      const said = yield* call("say")
      assert.strictEqual(said.out, "\\x1b]0;owned\\x07\\x9b31mred\\u202e\n")
      const json = yield* call("say", "--json")
      harmless(json.out)
      assert.strictEqual(JSON.parse(json.out), hostile)
      const wrong = yield* call("set_speed", "fast")
      failed(wrong, /argument 1 of group\.fan\.set_speed is not JSON: fast; a text needs quotes/)
      assert.strictEqual(wrong.code, 2)
    }))

  it.scopedLive("fails with what the driver says, and ends in time", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const missing = yield* run(["call", "group.fan", "melt", "--host", path])
      failed(missing, /call group\.fan\.melt is not implemented \(NOT_FOUND/)
      assert.strictEqual(missing.code, 1)
      const late = yield* run(["call", "group.fan", "hang", "--timeout", "50 millis", "--host", path])
      failed(late, /group\.fan\.hang did not return within 50 millis, and was cancelled/)
      assert.strictEqual(late.code, 5)
    }))

  it.scopedLive("leads from a wrong name to a right one", () =>
    Effect.gen(function*() {
      for (
        const [words, line] of [
          [["powr", "on"], /no driver at "powr"; available: power, serial, group/],
          [["power", "onn"], /power is a Power, which has no method onn; it has on, off, read.*--untyped/],
          [["power", "read"], /power\.read returns a stream; follow it with `effect-jumpstarter watch power read`/],
          [["serial", "connect"], /opens a stream of bytes; use `effect-jumpstarter console serial`/]
        ] as const
      ) {
        const outcome = yield* onBench(["call", ...words])
        failed(outcome, line)
        assert.strictEqual(outcome.code, 2)
      }
    }))
})

describe("logs", () => {
  it.scopedLive("shows lines of a level, harmlessly", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      yield* run(["call", "group.fan", "set_speed", "1", "--host", path])
      const { code, out } = yield* run(["logs", "--level", "WARNING", "--lines", "1", "--host", path])
      assert.strictEqual(code, 0)
      assert.match(out, /^\d{4}-\S+Z WARNING {2}DRIVER .*set_speed: speed \\x1b\]0;owned/)
      harmless(out)
      const { out: json } = yield* run(["logs", "--json", "--level", "WARNING", "--lines", "1", "--host", path])
      const [line] = jsonLines(json)
      assert.include(line, { severity: "WARNING", operation: "set_speed", message: `speed ${hostile}` })
    }))
})

describe("doctor", () => {
  const home = { HOME: "/nonexistent" }

  it.scopedLive("finds nothing wrong with a bench", () =>
    Effect.gen(function*() {
      const { code, out } = yield* onBench(["doctor", "--json"], { environment: home })
      const verdicts = JSON.parse(out).map(({ name, verdict }: never) => [name, verdict])
      assert.deepStrictEqual(verdicts, [
        ["version", "ok"],
        ["node", "ok"],
        ["environment", "note"],
        ["configuration", "note"],
        ["certificate", "note"],
        ["exporter", "ok"],
        ["status", "ok"],
        ["clock", "note"]
      ])
      assert.strictEqual(code, 0)
    }))

  it.scopedLive("says what to do about an exporter that is not there, and hides secrets", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* run(["doctor"], {
        environment: { ...home, JUMPSTARTER_HOST: "/tmp/no-such-exporter.sock", JMP_GRPC_PASSPHRASE: "open sesame" }
      })
      assert.strictEqual(code, 5)
      assert.match(out, /PROBLEM {2}exporter .*Unreachable.* -> check that the exporter runs/)
      assert.include(out, "JMP_GRPC_PASSPHRASE (hidden)")
      assert.notInclude(out, "sesame")
      assert.match(err, /^effect-jumpstarter: 1 of \d checks found a problem: exporter\n$/)
    }))

  it.scopedLive("refuses an address", () =>
    Effect.gen(function*() {
      const { code, out } = yield* run(["doctor", "--host", "http://bench-3"], { environment: home })
      assert.strictEqual(code, 5)
      assert.match(out, /PROBLEM {2}address /)
    }))
})
