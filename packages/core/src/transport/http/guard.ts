// Guards a connection against four bugs in Node's HTTP/2. A peer's mistake triggers the first two.
//
// nghttp2 responds to many mistakes, such as a header of more than 64 KiB, with a GOAWAY of its own. Then it stops, and Node emits
// no event: every RPC on the connection waits indefinitely. The guard destroys such a connection, as Node does when it notices.
//
// Node frees the native half of a destroyed session before its streams. When the headers of a response are incomplete at that
// moment, a garbage collection in between aborts the process with "Assertion failed: (current_nghttp2_memory_) == (0)". This
// happens in Node 20 to 26. The guard keeps the native half alive until the streams are gone.
//
// When a write over TLS fails, because its peer is gone, Node 20 to 24 take it for one that is still under way. They write nothing more,
// and do not read during a write, so no event reports the loss, and RPCs wait for the keepalive. The guard asks the operating system
// about a connection on which a write makes no progress.
//
// When a client resets more streams than it may, nghttp2 sends a GOAWAY, and needs to read nothing more after the last stream. Node then
// stops reading, but does not close the connection. A client that waits for its own writes never reads the GOAWAY. The guard makes Node read
// on, until the client closes the connection.
import type { Http2Session } from "node:http2"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { clearInterval, setImmediate, setInterval } from "node:timers"
import { TLSSocket } from "node:tls"

// In milliseconds of real time: a test's clock must not stop the guard.
const interval = 250

// The size of the frame that acknowledges a SETTINGS.
const answerBytes = 9

// Stay below ten: Node destroys a session with ten unacknowledged SETTINGS.
const maxUnanswered = 4

class GivenUp extends Error {
  // The code that Node reports when nghttp2 gives up a session.
  readonly code = "ERR_HTTP2_ERROR"

  constructor() {
    super("Protocol error")
  }
}

// Reads a field of a socket's handle, which is private to Node. Returns undefined without the handle or the field.
const ofHandle = (socket: Http2Session["socket"], name: string): unknown => {
  const handle: unknown = Reflect.get(socket, "_handle")
  return typeof handle === "object" && handle !== null ? Reflect.get(handle, name) : undefined
}

// Whether bytes still wait for the kernel, or nothing is known about that, so that no connection is destroyed by mistake.
const isWriting = (socket: Http2Session["socket"]): boolean => ofHandle(socket, "writeQueueSize") !== 0

// Makes Node read from a socket that the session has stopped. It has no effect on one that is read.
const readOn = (socket: Http2Session["socket"]): void => {
  const start = ofHandle(socket, "readStart")
  if (typeof start === "function") start.call(Reflect.get(socket, "_handle"))
}

// Whether the system has given up the connection beneath TLS. The result is false when nothing is known about that, so that no connection
// is destroyed by mistake.
const isGone = (socket: Http2Session["socket"]): boolean => {
  const line = ofHandle(socket, "_parent")
  if (typeof line !== "object" || line === null || !("getpeername" in line)) return false
  const { getpeername } = line
  // It returns an error number of the system, and fills in the address otherwise.
  return typeof getpeername === "function" && getpeername.call(line, {}) !== 0
}

// Reads a private field of a session by Node's name for it. Returns undefined in a release that has no such field.
const field = (http: Http2Session, name: string): unknown => {
  const key = Object.getOwnPropertySymbols(http).find(({ description }) => description === name)
  return key === undefined ? undefined : Reflect.get(http, key)
}

const hold = (http: Http2Session): void => {
  const held = new Set<unknown>([field(http, "kHandle")])
  // Node frees the streams before the program's immediates run.
  http.once("close", () => setImmediate(() => held.clear()))
}

// The public `socket` of a session is a proxy that cannot be destroyed, so this finds the real one.
const socketOf = (http: Http2Session): Http2Session["socket"] => {
  const socket = field(http, "socket")
  return socket instanceof Socket ? socket : http.socket
}

// A stopped session looks like one with a silent peer, except that it no longer writes: frames stay in its queue. So the guard has
// it send an empty SETTINGS whenever the peer has sent something that got no reply, and checks whether the frame leaves the queue.
// Peers do not count SETTINGS, unlike PING.
const watch = (http: Http2Session, line: Duplex | undefined): void => {
  const socket = socketOf(http)
  let written = socket.bytesWritten
  let explained = 0
  let unanswered = 0
  let asked = false
  const look = (): void => {
    // Since Node 24 a destroyed session may wait for its peer to close.
    if (http.destroyed) return void (line ?? (socket instanceof Socket ? socket : undefined))?.destroy()
    const read = socket.bytesRead
    const isQuiet = socket.bytesWritten === written
    written = socket.bytesWritten
    if (line === undefined && isQuiet && socket instanceof TLSSocket && isWriting(socket) && isGone(socket)) {
      // The session then ends as after any other loss.
      socket.destroy()
    } else if (!isQuiet) {
      asked = false
    } else if (asked) {
      // An EagerLine takes every write at once.
      if ((http.state.outboundQueueSize ?? 0) > 0 && !(line === undefined && isWriting(socket))) {
        http.destroy(new GivenUp())
      }
    } else if (read !== explained && unanswered < maxUnanswered) {
      asked = true
      explained = read
      unanswered++
      http.settings({}, (error) => {
        unanswered--
        if (error === null) explained += answerBytes
      })
    } else if (unanswered > 0 && !isWriting(socket)) {
      // Either the peer is silent, or the session does not read what it says.
      readOn(socket)
    }
  }
  const timer = setInterval(look, interval).unref()
  http.once("close", () => clearInterval(timer))
}

// `line` is the stream that the session runs over, when that is not a socket.
export const guard = (http: Http2Session, line: Duplex | undefined): void => {
  watch(http, line)
  if (http.connecting) http.once("connect", () => hold(http))
  else hold(http)
}
