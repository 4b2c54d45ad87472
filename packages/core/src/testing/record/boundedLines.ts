// Lines of one kind, up to a number of characters. Of too many lines, the first and the latest are kept: how it began, and how it
// ended.

export interface Line {
  // The position among the lines of all kinds.
  readonly position: number
  readonly at: number
  readonly text: string
}

export interface Cut {
  readonly position: number
  readonly at: number
  readonly until: number
  readonly lines: number
}

export class BoundedLines {
  private readonly first: Array<Line> = []
  private firstLength = 0
  private isFirstFull = false
  private latest: Array<Line> = []
  private latestLength = 0
  // The index of the first of the latest lines that is still kept.
  private from = 0
  private left: Cut | undefined

  constructor(private readonly limit: number) {}

  add(line: Line): void {
    if (!this.isFirstFull && this.firstLength + line.text.length <= this.limit / 4) {
      this.first.push(line)
      this.firstLength += line.text.length
      return
    }
    this.isFirstFull = true
    this.latest.push(line)
    this.latestLength += line.text.length
    while (this.latestLength > this.limit * 3 / 4 && this.from < this.latest.length - 1) this.drop()
    if (this.from < 1_024 || this.from < this.latest.length / 2) return
    this.latest = this.latest.slice(this.from)
    this.from = 0
  }

  private drop(): void {
    const line = this.latest[this.from++]
    if (line === undefined) return
    this.latestLength -= line.text.length
    const { at, lines, position } = this.left ?? { ...line, lines: 0 }
    this.left = { position, at, until: line.at, lines: lines + 1 }
  }

  get cut(): Cut | undefined {
    return this.left
  }

  get lines(): ReadonlyArray<Line> {
    return [...this.first, ...this.latest.slice(this.from)]
  }
}
