// Programs that the command line runs at a terminal, which Python provides.
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { bench } from "../support.ts"

const repository = fileURLToPath(new URL("../../../../", import.meta.url))

/** What Python has to do at the terminal of the command line, `fd`; `pid` is the command line, and `until` waits for its output. */
const at = (terminal: ReadonlyArray<string>) =>
  [
    "import os, pty, signal, sys",
    "pid, fd = pty.fork()",
    "if pid == 0: os.execv(sys.argv[1], sys.argv[1:])",
    "seen = b''",
    "def until(text):",
    "    global seen",
    "    while text not in seen:",
    "        try: data = os.read(fd, 4096)",
    "        except OSError: data = b''",
    "        if not data: sys.exit(f'{text!r} did not come: {seen!r}')",
    "        seen += data",
    ...terminal,
    "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), b'no job control' in seen)"
  ].join("\n")

/**
 * Runs a command line at a terminal, and returns its exit code, or the number of its signal below zero, and whether a shell there had no
 * jobs. Nothing may be left over.
 */
const run = (words: ReadonlyArray<string>, directory: string, terminal: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const python = yield* Config.string("JUMPSTARTER_PYTHON")
    const bin = [process.execPath, "--import", "tsx", `${repository}packages/cli/src/bin.ts`]
    const output = yield* Command.string(
      Command.make(python, "-c", at(terminal), ...bin, ...words).pipe(
        Command.env({ TMPDIR: directory }),
        Command.workingDirectory(repository),
        Command.stderr("inherit")
      )
    )
    const files = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.readDirectory(directory))
    assert.deepStrictEqual(files.filter((name) => name.startsWith("ej-")), [], "the directory of its socket")
    return output
  }).pipe(Effect.provide(NodeContext.layer))

describe.skipIf(process.platform === "win32")("a program at a terminal", () => {
  it.scopedLive("gets Ctrl-C, and the command line ends with its exit code", () =>
    Effect.gen(function*() {
      const { directory, path } = yield* bench
      const script = "trap 'echo caught; exit 7' INT; echo begun; while :; do sleep 1; done"
      const words = ["record", `${directory}/x.jsonl`, "--host", path, "--", "sh", "-c", script]
      assert.strictEqual(
        yield* run(words, directory, ["until(b'begun')", "os.write(fd, b'\\x03')", "until(b'caught')"]),
        "7 False\n"
      )
    }))

  it.scopedLive("can be a shell with jobs, which ends with the command line", () =>
    Effect.gen(function*() {
      const { directory, path } = yield* bench
      const words = ["record", `${directory}/x.jsonl`, "--host", path, "--", "bash", "--norc", "-i"]
      const typed = ["os.write(fd, b\"echo rea''dy\\n\")", "until(b'ready')"]
      assert.strictEqual(yield* run(words, directory, [...typed, "os.kill(pid, signal.SIGTERM)"]), "130 False\n")
      assert.strictEqual(yield* run(words, directory, [...typed, "os.close(fd)"]), "-1 False\n")
    }))
})
