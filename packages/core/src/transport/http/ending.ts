// Ends HTTP/2 sessions, but never from within one of their events.
//
// Node runs a program's listeners, and the promises that they resolve, while nghttp2 works on a received frame. If something is sent
// at that moment, nghttp2 can free the stream of that frame. It continues with the frame, writes into the freed memory, and the process
// aborts at some later time with "malloc(): mismatching next->prev_size" or a similar text. Node 20 has this bug; later releases of
// Node 22, 24 and 26 wait with what they send (https://github.com/nodejs/node/issues/64113).
//
// These send at once: destroying a session; resetting a stream with any code other than CANCEL; and Node's own refusal of a request
// that arrives at a closed session before the GOAWAY has left. This library resets streams with CANCEL only, and ends sessions only
// with the functions below or in a timer.
import * as Effect from "effect/Effect"
import type { Http2Session, ServerHttp2Session } from "node:http2"
import { setImmediate, setTimeout } from "node:timers"

// How many milliseconds of real time pass before another look whether a GOAWAY has left.
const pause = 10

/** Destroys sessions. Interruption does not prevent it. */
export const destroy = (...sessions: ReadonlyArray<Http2Session>): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (sessions.every(({ destroyed }) => destroyed)) return resume(Effect.void)
    setImmediate(() => {
      sessions.forEach((session) => session.destroy())
      resume(Effect.void)
    })
  })

/** Closes a client's session, which ends after its streams. */
export const close = (session: Http2Session): void => void setImmediate(() => session.close())

/**
 * Makes `close` of a server's session safe. Node calls it too, when the peer has sent a GOAWAY, and the peer's next request may be in
 * the same packet. The session becomes closed when its GOAWAY has left, because nghttp2 ignores later requests. Returns whether the
 * GOAWAY has been handed over: a stream that arrives after that must not be served, because its client may send the request again.
 */
export const closeSafely = (session: ServerHttp2Session): () => boolean => {
  const close = session.close.bind(session)
  let isAsked = false
  let isClosing = false
  const finish = (): void => {
    if (session.destroyed) return
    // A GOAWAY waits while the peer does not take what was written before.
    if ((session.state.outboundQueueSize ?? 0) > 0) setTimeout(finish, pause).unref()
    else close()
  }
  session.close = (callback) => {
    if (callback !== undefined) session.once("close", callback)
    if (isAsked) return
    isAsked = true
    setImmediate(() => {
      if (session.destroyed) return
      isClosing = true
      session.goaway()
      // Node sends it before it runs this.
      setImmediate(finish)
    })
  }
  return () => isClosing
}
