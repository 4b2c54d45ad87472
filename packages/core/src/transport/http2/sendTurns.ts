// Makes the streams that send on one HTTP/2 connection take turns.
//
// Since Node 22, the library inside Node (nghttp2) sends DATA strictly in the order in which streams were opened: a stream gets
// nothing of the connection's window while an older stream has bytes waiting. Bytes that Node already has cannot be reordered. So
// each stream hands over a bounded share, and then waits until the streams that asked before it have had theirs.
import type { Http2Session, Http2Stream } from "node:http2"

// How many bytes of all streams together wait inside Node for the window to open, so that the connection never idles.
const ahead = 128 * 1024

// How many bytes wait there when only one stream sends. A stream that begins then waits for these bytes once.
const aheadAlone = 1024 * 1024

// The smallest share of a stream, however many streams there are.
const minShare = 16 * 1024

// The number of bytes that a waiting stream hands over. If the stream is older than the others, this byte is sent as soon as the
// window opens at all, and leaves the rest of the window to them.
const probe = 1

export class Turn {
  // How many bytes Node has and has not sent.
  handed = 0
  // When the stream's last share was granted.
  granted = 0
  // Whether the end of the stream has been handed over.
  isEnding = false

  constructor(readonly stream: Http2Stream) {}

  // No event reports when the end of a stream has been sent, so this checks its state. The end is a frame of its own, and waits for
  // the window although it is empty.
  get isDone(): boolean {
    return this.isEnding && this.handed === 0 && (this.stream.destroyed || this.stream.state.localClose === 1)
  }
}

export class Turns {
  // The streams with bytes or an end inside Node, in the order of their grants.
  private readonly waiting = new Set<Turn>()
  private sending = 0
  private handed = 0
  // A lower bound for the rest of the window after all handed-over bytes are sent.
  private room = 0
  private clock = 0

  constructor(private readonly session: Http2Session) {}

  // Returns how many of `size` bytes a stream may hand over now. With 0 the stream has bytes inside Node, and should ask again when
  // they are sent.
  take(turn: Turn, size: number): number {
    if (this.room < size) this.room = (this.session.state.remoteWindowSize ?? 0) - this.handed
    const sending = turn.handed > 0 ? this.sending : this.sending + 1
    const share = Math.max(Math.max(sending === 1 ? aheadAlone : ahead, this.room + this.handed) / sending, minShare)
    const free = Math.min(size, Math.floor(share) - turn.handed)
    if (free <= 0) return 0
    if (free <= this.room || !this.isOvertaking(turn)) {
      turn.granted = ++this.clock
      this.waiting.delete(turn)
      return this.hand(turn, free)
    }
    return turn.handed > 0 ? 0 : this.hand(turn, probe)
  }

  // Records that bytes of a stream have been sent.
  sent(turn: Turn, size: number): void {
    // The bytes of a stream that has left were subtracted when it left.
    if (turn.handed === 0) return
    turn.handed -= size
    this.handed -= size
    if (turn.handed > 0) return
    this.sending--
    if (!turn.isEnding) this.waiting.delete(turn)
  }

  // Records that the end of a stream has been handed over.
  end(turn: Turn): void {
    turn.isEnding = true
    turn.granted = ++this.clock
    this.waiting.delete(turn)
    this.waiting.add(turn)
  }

  // Removes a closed stream.
  leave(turn: Turn): void {
    if (turn.handed > 0) this.sending--
    this.handed -= turn.handed
    turn.handed = 0
    this.waiting.delete(turn)
  }

  private hand(turn: Turn, size: number): number {
    if (turn.handed === 0) this.sending++
    this.waiting.add(turn)
    turn.handed += size
    this.handed += size
    this.room -= size
    return size
  }

  // Whether another stream has waited since before the last share of this one. While the connection's window is open, waiting
  // streams are held up only by their own windows.
  private isOvertaking(turn: Turn): boolean {
    if (this.room + this.handed > 0) return false
    for (const first of this.waiting) {
      if (first.isDone) this.waiting.delete(first)
      else return first !== turn && first.granted < turn.granted
    }
    return false
  }
}
