// Keeps V8 from marking the whole heap while a process takes in large amounts of bytes.
//
// Node delivers received bytes in ArrayBuffers. V8 counts them toward the limit at which it begins to mark the whole heap, until a
// scavenge of the young generation frees them. It scavenges when small objects have filled that generation, but large messages come with
// few objects. A process then marks its heap once for every ten megabytes that it receives, which takes several times as long as receiving
// them, and it does so above all after it was idle for eight seconds, because V8 lowers the limit then. Objects that fill the young
// generation along with the bytes make V8 scavenge instead, which takes a fraction of a millisecond.

// How many bytes are received per object. A process whose young generation has grown, and any on Node 24, needs as many as these; where
// it is small, a quarter of them would do, and take 0.3 ms less for a megabyte.
const interval = 64 * 1024

// The elements of an object, at eight bytes each. V8 allocates objects above 128 KiB elsewhere.
const elements = 16_000

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
