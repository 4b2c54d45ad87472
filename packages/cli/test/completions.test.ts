// Completions, as the shells themselves complete what somebody has typed.
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { missing } from "../../core/test/support/programsOnPath.ts"
import { run } from "./support.ts"

interface Place {
  readonly directory: string
  /** The file of the completions. */
  readonly script: string
}

/** Returns what a shell makes of the last word, for each line. */
type Complete = (place: Place, lines: ReadonlyArray<string>) => ReadonlyArray<string>

const execute = (command: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(command, args, { encoding: "utf8", timeout: 60_000 })

const quoted = (word: string): string => `'${word}'`

const bash: Complete = ({ script }, lines) => {
  const completed = lines.map((line) => {
    const words = line.split(" ")
    return `COMP_WORDS=(${words.map(quoted).join(" ")}); COMP_CWORD=${words.length - 1}
      "$function" effect-jumpstarter; echo "\${COMPREPLY[*]:-$(compgen -f -- ${quoted(words.at(-1) ?? "")})}"`
  })
  const registered = `[[ $(complete -p effect-jumpstarter) =~ -o\\ default.*-F\\ ([^ ]+) ]] || exit 1
    function=\${BASH_REMATCH[1]}`
  return execute("bash", "--norc", "-c", [`. ${quoted(script)}`, registered, ...completed].join("\n")).split("\n")
}

// Types each line into an interactive shell, with a tab, and notes what is then on the line.
const zsh: Complete = ({ directory, script }, lines) => {
  const noted = `${directory}/noted`
  const set = [
    "autoload -Uz compinit",
    `compinit -u -d ${quoted(`${directory}/compdump`)}`,
    `. ${quoted(script)}`,
    `note() { print -r -- "\${\${(z)BUFFER}[-1]}" >> ${quoted(noted)}; BUFFER= }`,
    "zle -N note",
    "bindkey '^]' note"
  ]
  const driver = `zmodload zsh/zpty
    zpty shell zsh -f -i
    ${set.map((line) => `zpty -w shell ${quoted(line.replaceAll("'", "'\\''"))}`).join("\n")}
    ${lines.map((line) => `zpty -w -n shell ${quoted(line)}$'\\t\\x1d'`).join("\n")}
    zpty -w shell exit
    while zpty -r shell line; do :; done`
  execute("zsh", "-f", "-c", driver)
  return execute("cat", noted).split("\n")
}

const fish: Complete = ({ script }, lines) =>
  lines.map((line) =>
    execute("fish", "--no-config", "-c", `source ${quoted(script)}; complete --do-complete ${quoted(line)}`)
      .trimEnd().split("\n").map((candidate) => candidate.split("\t")[0]).join(" ")
  )

describe("completions", () => {
  for (const [shell, complete] of Object.entries({ bash, zsh, fish })) {
    it.scopedLive.skipIf(missing(shell))(
      `of ${shell} are commands, options, values and files`,
      () =>
        Effect.gen(function*() {
          const files = yield* FileSystem.FileSystem
          const directory = yield* files.makeTempDirectoryScoped()
          const script = `${directory}/completions`
          const { code, out } = yield* run(["--completions", shell])
          assert.strictEqual(code, 0)
          yield* files.writeFileString(script, out)
          yield* files.writeFileString(`${directory}/image.img`, "")
          const expected = {
            "do": "doctor",
            "tree --me": "--methods",
            "call power on --time": "--timeout",
            "lease sh": "shell",
            "lease create --sel": "--selector",
            "console serial --line-end l": "lf",
            [`flash storage ${directory}/ima`]: `${directory}/image.img`
          }
          const completed = complete(
            { directory, script },
            Object.keys(expected).map((line) => `effect-jumpstarter ${line}`)
          )
          assert.deepStrictEqual(
            completed.slice(0, Object.keys(expected).length),
            Object.values(expected)
          )
        }).pipe(Effect.provide(NodeContext.layer)),
      90_000
    )
  }
})
