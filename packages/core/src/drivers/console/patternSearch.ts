// Finds the first match of several patterns in text that grows, without searching all of the text again for each piece.
import type { UnreadText } from "./unreadText.ts"

export type Pattern = string | RegExp

export interface Found {
  readonly index: number
  readonly match: string
  readonly groups: ReadonlyArray<string | undefined>
  // Positions in the text.
  readonly start: number
  readonly end: number
}

type Finder = (text: string, from: number) => Omit<Found, "end" | "index"> | undefined

const finder = (pattern: Pattern): Finder => {
  if (typeof pattern === "string") {
    return (text, from) => {
      const start = text.indexOf(pattern, from)
      return start < 0 ? undefined : { start, match: pattern, groups: [] }
    }
  }
  // A copy, because a RegExp keeps its last position; without the flag y, which would match at that position only.
  const expression = new RegExp(pattern.source, `${pattern.flags.replaceAll(/[gy]/g, "")}g`)
  return (text, from) => {
    expression.lastIndex = from
    const result = expression.exec(text)
    if (result === null) return undefined
    const [match, ...groups] = result
    return { start: result.index, match, groups }
  }
}

// The number of characters that one search looks at.
const windowLength = 16_384

// Windows overlap by this length, so that a match up to this length is found wherever it is. The text that follows a
// match within this length is in the same window as the match.
const overlap = 4_096

export class PatternSearch {
  private readonly finders: ReadonlyArray<Finder>
  private readonly overlap: number
  // Whether all patterns are literal text, whose matches have a known length.
  private readonly isText: boolean
  // The positions up to which the text has been searched for matches up to the overlap, and for matches of any length.
  private searched = 0
  private searchedWhole = 0

  constructor(patterns: ReadonlyArray<Pattern>, private readonly text: UnreadText) {
    this.finders = patterns.map(finder)
    this.isText = patterns.every((pattern) => typeof pattern === "string")
    this.overlap = Math.max(overlap, ...patterns.map((pattern) => typeof pattern === "string" ? pattern.length : 0))
  }

  // Searches the new text. Searches all of the text once a quarter of it is new, so that each character is searched a
  // bounded number of times.
  next(): Found | undefined {
    const { text } = this
    const found = this.inWindows()
    if (found !== undefined || this.isComplete) return found
    return text.end - this.searchedWhole >= (text.end - text.start) / 4 ? this.whole() : undefined
  }

  // Whether a match of any length would have been found.
  get isComplete(): boolean {
    return this.searchedWhole === this.text.end
  }

  whole(): Found | undefined {
    const { end, start } = this.text
    const found = this.within(start, end)
    this.searched = this.searchedWhole = end
    return found
  }

  private inWindows(): Found | undefined {
    const { overlap, text } = this
    let from = Math.max(text.start, this.searched - overlap)
    let length = Math.max(windowLength, 2 * overlap)
    for (;;) {
      const to = Math.min(from + length, text.end)
      const found = this.within(from, to)
      if (found !== undefined) {
        if (to === text.end || found.end + overlap <= to) return found
        // The text that follows may extend the match.
        length *= 2
      } else if (to === text.end) break
      else from = to - overlap
    }
    this.searched = text.end
    if (this.isText || from === text.start) this.searchedWhole = text.end
    return undefined
  }

  // The first match in a part of the text. The character before the part tells whether the part starts a line or a
  // word.
  private within(from: number, to: number): Found | undefined {
    const view = this.text.slice(from, to)
    const lookback = from > this.text.start ? 1 : 0
    let first: Found | undefined
    for (const [index, find] of this.finders.entries()) {
      const found = find(view, lookback)
      if (found === undefined || first !== undefined && first.start <= from + found.start) continue
      const start = from + found.start
      first = { ...found, index, start, end: start + found.match.length }
    }
    return first
  }
}
