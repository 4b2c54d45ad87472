// The parser's help, without what everybody knows, and without escapes where nobody obeys them.

const known = new Set([
  "A user-defined piece of text.",
  "A true or false value.",
  "This setting is optional.",
  "An integer."
])

// eslint-disable-next-line no-control-regex -- The parser formats for a terminal.
const escapes = /\x1b\[[\d;]*m/g

export const plain = (text: string): string => text.replaceAll(escapes, "")

/** A line each for an option and for what it does. `parent` is what is written before the name of the command. */
export const compact = (parent: string, help: string, hasEscapes: boolean): string => {
  const lines = (hasEscapes ? help : plain(help)).split("\n")
  const isHeading = (line: string) => /^[A-Z]+$/.test(plain(line))
  let isList = false
  const kept: Array<string> = []
  for (const line of lines) {
    const text = plain(line).trim()
    if (known.has(text)) continue
    if (isHeading(line)) isList = text === "OPTIONS" || text === "ARGUMENTS"
    if (text === "" && (isList && !isHeading(kept.at(-1) ?? "") || kept.at(-1) === "")) continue
    if (isHeading(line) && kept.at(-1) !== "") kept.push("")
    kept.push(line.replace(/^\$ (?=[a-z])/, `$ ${parent} `))
  }
  return kept.join("\n").trimEnd()
}
