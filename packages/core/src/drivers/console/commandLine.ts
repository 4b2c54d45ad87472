// A command as a line for a prompt, and its output and exit code from what the device prints in return.
import * as Redacted from "effect/Redacted"

/** What a client types. A secret shows neither in the transcript nor in errors. */
export type Typed = string | Redacted.Redacted

export const plain = (typed: Typed): string => typeof typed === "string" ? typed : Redacted.value(typed)

export const shown = (typed: Typed): string => typeof typed === "string" ? typed : "<redacted>"

/** Why a command cannot be sent as one line. */
export const problem = (command: string): string | undefined =>
  /[\r\n]/.test(command) ? "it has a line break" : command.trim() === "" ? "it is empty" : undefined

/** A text as one word of a command, for shells and for U-Boot. */
export const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

interface Line {
  readonly line: string
  /** Matches the exit code in the output, but not the device's echo of the line, which has no digits there. */
  readonly pattern: RegExp
  readonly result: (
    before: string,
    groups: ReadonlyArray<string | undefined>
  ) => { readonly lines: ReadonlyArray<string>; readonly code: number }
}

/** The mark must not have been in an earlier line. */
export const make = (command: string, mark: number): Line => {
  const name = `exit${mark}`
  const end = `${name}=$?`
  // A line editor may break a long line where the terminal would be full.
  const echo = new RegExp(Array.from(end, (character) => character.replace(/[$?]/, "\\$&")).join("\\s*"), "g")
  return {
    line: `${command}; echo ${end}`,
    pattern: new RegExp(`${name}=(\\d+)\\r*\\n`),
    result: (before, groups) => {
      const echoes = [...before.matchAll(echo)]
      const last = echoes.at(-1)
      const output = last === undefined ? before : before.slice(last.index + last[0].length).replace(/^\s*?\n/, "")
      const lines = output.split(/\r*\n/)
      // The output of most commands ends with a line break.
      if (lines.at(-1) === "") lines.pop()
      return { lines, code: Number(groups[0]) }
    }
  }
}
