// The latest part of a conversation between two sides.
import * as MutableList from "effect/MutableList"

interface Entry {
  readonly from: "client" | "device"
  readonly text: string
}

export interface Transcript {
  readonly add: (from: Entry["from"], text: string) => void
  readonly entries: () => ReadonlyArray<Entry>
}

// A run is text of one side, of about this length at most. It keeps its pieces until it is full, because joining them
// one by one would copy the run for each piece.
const runLength = 16_384

interface Run {
  readonly from: Entry["from"]
  pieces: Array<string>
  length: number
}

// Keeps the latest `limit` characters. The oldest run is dropped as a whole, so up to one run more is kept, and
// `entries` cuts off the excess. Adjacent text of one side becomes one entry.
export const make = (limit: number): Transcript => {
  const runs = MutableList.empty<Run>()
  let size = 0

  const close = (run: Run | undefined): void => {
    if (run !== undefined) run.pieces = [run.pieces.join("")]
  }

  return {
    add: (from, text) => {
      if (text === "") return
      const last = MutableList.tail(runs)
      if (last?.from === from && last.length < runLength) {
        last.pieces.push(text)
        last.length += text.length
      } else {
        close(last)
        MutableList.append(runs, { from, pieces: [text], length: text.length })
      }
      size += text.length
      for (let first = MutableList.head(runs); first !== undefined; first = MutableList.head(runs)) {
        if (size - first.length < limit) return
        MutableList.shift(runs)
        size -= first.length
      }
    },
    entries: () => {
      const entries: Array<{ readonly from: Entry["from"]; readonly texts: Array<string> }> = []
      let excess = Math.max(0, size - limit)
      for (const { from, pieces } of runs) {
        const text = pieces.join("").slice(excess)
        excess = 0
        const last = entries.at(-1)
        if (last?.from === from) last.texts.push(text)
        else entries.push({ from, texts: [text] })
      }
      return entries.map(({ from, texts }) => ({ from, text: texts.join("") }))
    }
  }
}
