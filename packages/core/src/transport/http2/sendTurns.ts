// Takes turns between the streams that send on one HTTP/2 connection.
//
// The library inside Node (nghttp2, since Node 22) sends DATA strictly in the order in which streams were opened: a stream
// gets nothing of the connection's window while an older one has bytes waiting. What has been handed to Node cannot be
// reordered, so each stream hands over a bounded share, and a stream that has had its share waits until the streams that
// asked before it have had theirs.
import type { Http2Session, Http2Stream } from "node:http2"

// What waits inside Node for the window to open, together, so that the connection never idles.
const ahead = 128 * 1024

// What waits there of a stream that nothing else sends beside. One that begins then waits for this once.
const aheadAlone = 1024 * 1024

// The smallest share of a stream, however many there are.
const minShare = 16 * 1024

// Handed over by a stream that waits for others. Older than theirs, it is sent as soon as the window opens at all, and
// leaves the rest of the window to them.
const probe = 1

export class Turn {
  // Bytes that Node has been handed and has not sent.
  handed = 0
  // When its last share was granted.
  granted = 0
  // Whether only its end may still be on the way.
  isEnding = false

  constructor(readonly stream: Http2Stream) {}

  // Node does not tell when the end of a stream has been sent. Nothing else does: the end is a frame of its own, and waits
  // for the window although it is empty.
  get isDone(): boolean {
    return this.isEnding && this.handed === 0 && (this.stream.destroyed || this.stream.state.localClose === 1)
  }
}

export class Turns {
  // Those with something inside Node, by when it was granted.
  private readonly waiting = new Set<Turn>()
  private sending = 0
  private handed = 0
  // At least this much of the window is left when all that was handed over is sent.
  private room = 0
  private clock = 0

  constructor(private readonly session: Http2Session) {}

  // How many of `size` bytes a stream may hand over now. None means that the stream has bytes inside Node, and should ask
  // again when they are sent.
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

  // Takes a note that bytes of a stream have been sent.
  sent(turn: Turn, size: number): void {
    // Those of a stream that has left were given back when it left.
    if (turn.handed === 0) return
    turn.handed -= size
    this.handed -= size
    if (turn.handed > 0) return
    this.sending--
    if (!turn.isEnding) this.waiting.delete(turn)
  }

  // Takes a note that the end of a stream has been handed over.
  end(turn: Turn): void {
    turn.isEnding = true
    turn.granted = ++this.clock
    this.waiting.delete(turn)
    this.waiting.add(turn)
  }

  // Forgets a stream that is gone.
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

  // Whether others have waited since before the last share of a stream. While the window is open, those that wait are
  // held up by the windows of their own streams.
  private isOvertaking(turn: Turn): boolean {
    if (this.room + this.handed > 0) return false
    for (const first of this.waiting) {
      if (first.isDone) this.waiting.delete(first)
      else return first !== turn && first.granted < turn.granted
    }
    return false
  }
}
