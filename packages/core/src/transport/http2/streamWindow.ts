// How many bytes a client may have in flight on each stream of a connection, before a handler takes them.
//
// A client that is far away, or behind a router, learns late that there is room again, and waits. A wide window keeps it sending. But it
// may fill the window of every stream, whether or not a handler takes anything. So the window is wide only while few streams are open, and
// after they have carried as much as it holds.
import { constants, type ServerHttp2Session } from "node:http2"
import { clearTimeout, setTimeout } from "node:timers"

const mebibyte = 1024 * 1024

/** The window at first, and while many streams are open. */
export const narrow = mebibyte

const wide = 8 * mebibyte

// How many streams may have the wide window.
const few = 4

// How many milliseconds of real time a client has to acknowledge that the window is narrow again, as long as the keepalive waits for it.
const patience = 180_000

export class StreamWindow {
  private open = 0
  // How many bytes handlers got since the window was narrow.
  private carried = 0
  private isWide = false

  constructor(private readonly session: ServerHttp2Session, private readonly time = patience) {}

  begin(): void {
    this.open++
    if (this.isWide && this.open > few) this.restore()
  }

  end(): void {
    this.open--
  }

  /** Counts what a handler got from a stream. */
  carry(bytes: number): void {
    if (this.isWide || this.open > few) return
    this.carried += bytes
    // Node ends a session that has many unacknowledged SETTINGS.
    if (this.carried < wide || this.session.pendingSettingsAck || this.session.destroyed) return
    this.isWide = true
    this.session.settings({ initialWindowSize: wide })
  }

  // HTTP/2 lets a client use the wide window until it acknowledges this.
  private restore(): void {
    this.isWide = false
    this.carried = 0
    if (this.session.destroyed) return
    const timer = setTimeout(() => {
      // The calls end as those of a client that went away, and nobody sees this error. Without one, Node would send another code.
      this.session.destroy(new Error("SETTINGS_TIMEOUT"), constants.NGHTTP2_SETTINGS_TIMEOUT)
    }, this.time).unref()
    this.session.settings({ initialWindowSize: narrow }, () => clearTimeout(timer))
  }
}
