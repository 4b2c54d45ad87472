// What remains of an HTTP/2 stream after its RPC.
//
// Node refers to the native half of each stream, and that to the stream, until V8 has collected the whole heap. Everything that a
// listener of the stream refers to lives as long: a call with its fiber, its metadata and its messages, several kilobytes. All of that
// outlives the young generation, which makes each scavenge several times as long and fills the heap.
import { EventEmitter } from "node:events"
import type { Http2Stream } from "node:http2"

const ignore = (): void => {}

/** Drops what listens to a closed stream. */
export const forget = (stream: Http2Stream): void => {
  // The method of streams would make the closed stream flow, in two more turns of the queue.
  EventEmitter.prototype.removeAllListeners.call(stream)
  stream.on("error", ignore)
}
