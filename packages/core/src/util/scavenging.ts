// Keeps V8 from marking the whole heap while a process takes in large amounts of bytes.
//
// Node delivers received bytes in ArrayBuffers. V8 counts them toward the limit at which it begins to mark the whole heap, until a
// scavenge of the young generation frees them. It scavenges when small objects have filled that generation, but large messages come with
// few objects. A process then marks its heap once for every ten megabytes that it receives, which takes several times as long as receiving
// them, and it does so above all after it was idle for eight seconds, because V8 lowers the limit then. Objects that fill the young
// generation along with the bytes make V8 scavenge instead, which takes a fraction of a millisecond.
import { versions } from "node:process"

// Since V8 13 (Node 24) an idle process keeps a large young generation, so that more objects are needed to fill it.
const isLarge = Number(versions.v8.split(".")[0]) >= 13

// How many bytes are received per object.
const interval = isLarge ? 64 * 1024 : 256 * 1024

// The elements of an object, at eight bytes each. V8 allocates objects above 128 KiB elsewhere.
const elements = isLarge ? 16_000 : 8_000

export class Scavenging {
  private received = 0
  /** The last object. It is kept, because V8 may leave out the allocation of an object that nothing refers to. */
  filler: ReadonlyArray<undefined> = []

  /** Counts received bytes. */
  add(bytes: number): void {
    this.received += bytes
    if (this.received < interval) return
    this.received = 0
    this.filler = new Array<undefined>(elements)
  }
}
