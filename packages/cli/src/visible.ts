// Text of an exporter on a terminal: what a terminal would obey is shown instead.

// Control characters, marks that reorder text, separators of lines, and the byte order mark.
const obeyed = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

const hex = (character: string, digits: number): string => character.charCodeAt(0).toString(16).padStart(digits, "0")

const escaped = (character: string): string =>
  short[character] ?? (character <= "\xff" ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`)

/** Text for one line. */
export const line = (text: string): string => text.replace(obeyed, escaped)

/** Text of several lines, which stay lines. */
export const lines = (text: string): ReadonlyArray<string> => text.split(/\r?\n/).map(line)

/** JSON, with escapes that leave its meaning as it is. JSON itself escapes only the characters below the space. */
export const json = (text: string): string =>
  text.replace(obeyed, (character) => character === "\n" ? character : `\\u${hex(character, 4)}`)
