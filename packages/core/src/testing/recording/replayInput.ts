// Compares the bytes that a program sends on a stream with the recorded bytes: by content, for any chunking, or by hash
// where there was too much to keep.
import * as difference from "./difference.ts"
import * as format from "./format.ts"
import type { Place, ReplayRpc } from "./reader.ts"

// `part` ends within a recorded line, `whole` at its end, and `more` goes beyond the recording.
type Sent = "part" | "whole" | "more" | { readonly differs: string }

export class ReplayInput {
  private position = 0
  // The number of bytes sent of the line at that position, and in total.
  private within = 0
  private offset = 0
  private digest = new format.Digest()
  private ended = false

  constructor(private readonly recorded: ReplayRpc, private readonly take: (place: Place) => void) {}

  private get next() {
    return this.recorded.inputs[this.position]
  }

  send(sent: Uint8Array): Sent {
    let rest = sent
    while (rest.length > 0) {
      const input = this.next
      if (input === undefined) {
        const { inputEnd } = this.recorded
        return inputEnd === undefined
          ? "more"
          : {
            differs: `recorded the end after ${this.offset} bytes (line ${inputEnd.line}), got ${
              difference.excerpt(rest)
            }`
          }
      }
      const piece = rest.subarray(0, input.bytes - this.within)
      const found = input.content && difference.ofBytes(input.content.subarray(this.within), rest, this.offset)
      if (found !== undefined) return { differs: `${found} (line ${input.line})` }
      this.digest.add(piece)
      this.within += piece.length
      this.offset += piece.length
      rest = rest.subarray(piece.length)
      if (this.within < input.bytes) return "part"
      if (input.sha256 !== undefined && input.sha256 !== this.digest.sha256) {
        return {
          differs: `the ${input.bytes} bytes up to byte ${this.offset} have a different hash (line ${input.line})`
        }
      }
      this.position++
      this.within = 0
      this.digest = new format.Digest()
      this.take(input)
    }
    return "whole"
  }

  // Returns the difference between the program's end of input and the recorded one.
  end(): string | undefined {
    if (this.ended) return undefined
    this.ended = true
    const { next, offset, recorded } = this
    if (next !== undefined) {
      const bytes = recorded.inputs.reduce((sum, input) => sum + input.bytes, 0)
      return `the program ended it after ${offset} of ${bytes} bytes (line ${next.line})`
    }
    if (recorded.inputEnd !== undefined) this.take(recorded.inputEnd)
    return undefined
  }

  // Describes recorded input that the program has not sent, if an event followed it in the recording.
  missing(): string | undefined {
    const { ended, next, offset, recorded } = this
    const what = difference.describe(recorded)
    const { inputEnd, outputs } = recorded
    if (next !== undefined && (inputEnd !== undefined || outputs.some(({ index }) => index > next.index))) {
      return `${what} was sent ${offset} bytes, without those of line ${next.line}`
    }
    return inputEnd === undefined || ended
      ? undefined
      : `${what} was not sent the end of its input (line ${inputEnd.line})`
  }
}
