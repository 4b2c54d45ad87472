// What two sides said to each other, the latest part of it.

interface Entry {
  readonly from: "client" | "device"
  readonly text: string
}

export interface Transcript {
  readonly add: (from: Entry["from"], text: string) => void
  readonly entries: () => ReadonlyArray<Entry>
}

// Keeps so many characters and forgets the oldest ones beyond. Pieces of one side in a row are one entry.
export const make = (limit: number): Transcript => {
  const entries: Array<Entry> = []
  let size = 0
  return {
    add: (from, text) => {
      if (text === "") return
      const last = entries.at(-1)
      if (last?.from === from) entries[entries.length - 1] = { from, text: last.text + text }
      else entries.push({ from, text })
      size += text.length
      while (size > limit) {
        const [first] = entries
        if (first === undefined) return
        const excess = size - limit
        if (first.text.length > excess) entries[0] = { from: first.from, text: first.text.slice(excess) }
        else entries.shift()
        size -= Math.min(excess, first.text.length)
      }
    },
    entries: () => [...entries]
  }
}
