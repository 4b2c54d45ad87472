// Guards a connection against two faults of Node's HTTP/2 that a peer's mistake sets off.
//
// nghttp2 answers many mistakes, a header of more than 64 KiB among them, with a GOAWAY of its own. It stops there, and Node
// emits no event: every RPC on the connection waits without end. The guard destroys such a connection, as Node does where it
// notices.
//
// Node frees the native half of a destroyed session before its streams. When the headers of an answer are incomplete then, a
// garbage collection in between aborts the process with "Assertion failed: (current_nghttp2_memory_) == (0)". Node 20 to 26 do
// so. The guard keeps the native half alive until the streams are gone.
import type { Http2Session } from "node:http2"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { clearInterval, setImmediate, setInterval } from "node:timers"

// In milliseconds of real time, which is the connection's: a test's clock must not stop it.
const interval = 250

// The bytes that acknowledge an empty SETTINGS.
const answerBytes = 9

// Node destroys a session with ten unacknowledged SETTINGS.
const maxUnanswered = 4

class GivenUp extends Error {
  // What Node gives to a session that nghttp2 refuses to go on with.
  readonly code = "ERR_HTTP2_ERROR"

  constructor() {
    super("Protocol error")
  }
}

// Whether the kernel still has to take bytes. Only a private handle of Node tells. Without it the answer is yes, so that no
// connection is destroyed by mistake.
const isWriting = (socket: Http2Session["socket"]): boolean => {
  const handle: unknown = Reflect.get(socket, "_handle")
  return typeof handle !== "object" || handle === null || !("writeQueueSize" in handle) || handle.writeQueueSize !== 0
}

// Node's own name of a field of a session. A release that has another name gives none.
const field = (http: Http2Session, name: string): unknown => {
  const key = Object.getOwnPropertySymbols(http).find(({ description }) => description === name)
  return key === undefined ? undefined : Reflect.get(http, key)
}

const hold = (http: Http2Session): void => {
  const held = new Set<unknown>([field(http, "kHandle")])
  // Node frees the streams before the immediates of programs run.
  http.once("close", () => setImmediate(() => held.clear()))
}

// What a session shows as its socket is a stand-in that cannot be destroyed.
const socketOf = (http: Http2Session): Http2Session["socket"] => {
  const socket = field(http, "socket")
  return socket instanceof Socket ? socket : http.socket
}

// A session that has stopped looks like one whose peer is silent, except that it writes nothing any more and keeps what it is
// asked to write in its queue. So it is asked to write each time the peer has said something that was not answered. It writes
// an empty SETTINGS: unlike PING, peers do not count them.
const watch = (http: Http2Session, line: Duplex | undefined): void => {
  const socket = socketOf(http)
  let written = socket.bytesWritten
  let explained = 0
  let unanswered = 0
  let asked = false
  const look = (): void => {
    // Since Node 24 a session that was destroyed may wait for its peer to close.
    if (http.destroyed) return void (line ?? (socket instanceof Socket ? socket : undefined))?.destroy()
    const read = socket.bytesRead
    const isQuiet = socket.bytesWritten === written
    written = socket.bytesWritten
    if (!isQuiet) {
      asked = false
    } else if (asked) {
      if (
        (http.state.outboundQueueSize ?? 0) > 0 && !(line === undefined ? isWriting(socket) : line.writableLength > 0)
      ) http.destroy(new GivenUp())
    } else if (read !== explained && unanswered < maxUnanswered) {
      asked = true
      explained = read
      unanswered++
      http.settings({}, (error) => {
        unanswered--
        if (error === null) explained += answerBytes
      })
    }
  }
  const timer = setInterval(look, interval).unref()
  http.once("close", () => clearInterval(timer))
}

// `line` is what the session runs over, where that is no socket.
export const guard = (http: Http2Session, line: Duplex | undefined): void => {
  watch(http, line)
  if (http.connecting) http.once("connect", () => hold(http))
  else hold(http)
}
