// The latest text that no reader has taken yet. The text is kept in blocks, so that neither adding at the end nor
// taking from the start copies the rest.

const blockLength = 16_384

interface Block {
  // Positions count from the first character ever added.
  readonly at: number
  readonly text: string
}

export class UnreadText {
  private readonly blocks: Array<Block> = []
  // The last block while it grows.
  private growing: Array<string> = []
  private growingAt = 0
  private from = 0
  private to = 0

  constructor(private readonly limit: number) {}

  // The position of the first character.
  get start(): number {
    return this.from
  }

  // The position after the last character.
  get end(): number {
    return this.to
  }

  add(text: string): void {
    if (text === "") return
    this.growing.push(text)
    this.to += text.length
    if (this.to - this.growingAt >= blockLength) {
      this.blocks.push({ at: this.growingAt, text: this.growing.join("") })
      this.growing = []
      this.growingAt = this.to
    }
    this.drop(this.to - this.limit)
  }

  // Drops the text before a position.
  drop(position: number): void {
    this.from = Math.max(this.from, position)
    while (this.blocks[0] !== undefined && this.blocks[0].at + this.blocks[0].text.length <= this.from) {
      this.blocks.shift()
    }
    if (this.from < this.to) return
    this.growing = []
    this.growingAt = this.to
  }

  slice(from: number, to: number): string {
    const parts: Array<string> = []
    for (const { at, text } of this.blocks) {
      if (at >= to) return parts.join("")
      if (at + text.length > from) parts.push(text.slice(Math.max(0, from - at), to - at))
    }
    if (this.growing.length > 1) this.growing = [this.growing.join("")]
    parts.push(this.growing.join("").slice(Math.max(0, from - this.growingAt), Math.max(0, to - this.growingAt)))
    return parts.join("")
  }
}
