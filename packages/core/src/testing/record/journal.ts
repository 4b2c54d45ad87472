// What is not yet in the file of a record. Lines are added to the file; when it would grow too large, it is written anew, with the lines
// that the record keeps.

export interface Step {
  readonly text: string
  readonly replaces: boolean
}

export const textOf = (lines: ReadonlyArray<string>): string => `${lines.join("\n")}\n`

export class Journal {
  private waiting: Array<string> = []
  // In characters.
  private waitingSize = 0
  private fileSize = 0
  private isReplaced = true

  // The file and what waits for it have so many characters together, at most.
  constructor(private readonly limit: number) {}

  add(line: string): void {
    if (this.isReplaced) return
    this.waiting.push(line)
    this.waitingSize += line.length + 1
    if (this.fileSize + this.waitingSize > this.limit) this.replace()
  }

  private replace(): void {
    this.isReplaced = true
    this.waiting = []
    this.waitingSize = 0
  }

  // What to write next, if there is something.
  next(all: () => ReadonlyArray<string>): Step | undefined {
    if (!this.isReplaced && this.waiting.length === 0) return undefined
    const replaces = this.isReplaced
    const text = textOf(replaces ? all() : this.waiting)
    this.fileSize = replaces ? text.length : this.fileSize + text.length
    this.isReplaced = false
    this.waiting = []
    this.waitingSize = 0
    return { text, replaces }
  }
}
