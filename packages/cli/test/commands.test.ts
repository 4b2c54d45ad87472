import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
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

  it.live("prints completions for shells", () =>
    Effect.gen(function*() {
      for (const shell of ["bash", "zsh", "fish"]) {
        const { code, out } = yield* run(["--completions", shell])
        assert.strictEqual(code, 0)
        assert.include(out, "doctor")
      }
      const { out } = yield* run(["--completions", "bash"])
      const complete = (...words: ReadonlyArray<string>) => {
        const script = `${out}
          COMP_WORDS=(effect-jumpstarter ${words.map((word) => `"${word}"`).join(" ")})
          COMP_CWORD=${words.length}
          _effect-jumpstarter_bash_completions effect-jumpstarter
          echo "\${COMPREPLY[@]}"`
        return execFileSync("bash", ["-c", script], { encoding: "utf8" }).trim()
      }
      assert.strictEqual(complete("do"), "doctor")
      assert.strictEqual(complete("tree", "--me"), "--methods")
      assert.strictEqual(complete("lease", "sh"), "shell")
      const zsh = yield* run(["--completions", "zsh"])
      const defined = new Set(Array.from(zsh.out.matchAll(/^(_\S+_commands)\(\) /gm), ([, name]) => name))
      const used = Array.from(zsh.out.matchAll(/":: :(_\S+_commands)"/g), ([, name]) => name)
      assert.isAbove(used.length, 1)
      for (const name of used) assert.isTrue(defined.has(name), name)
    }))

  it.live("says in one line what is wrong with a command line", () =>
    Effect.gen(function*() {
      for (
        const [words, line] of [
          [["tee"], /^effect-jumpstarter: there is no command tee; `effect-jumpstarter --help` lists them\n$/],
          [["call"], /Missing argument <path>; see `effect-jumpstarter call --help`/],
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
