// Keeps V8 from marking the whole heap while a process receives large amounts of bytes.
//
// Node delivers received bytes in ArrayBuffers. V8 counts them toward the limit at which it begins to mark the whole heap, until a
// scavenge of the young generation frees them. It scavenges when small objects have filled that generation, but large messages come with
// few objects. V8 even takes a process that only receives for idle, and lowers the limit. Objects in proportion to the bytes show V8 a
// process at work, and make it scavenge before the limit is reached. docs/performance.md ("Room for the heap") has the measurements.

// How many bytes are received for each object.
const interval = 64 * 1024

// The young generation of V8 has 16 MiB before Node 24, and 64 MiB since. A larger one needs more objects to be filled in time.
const objectBytes = Number.parseInt(process.versions.node) < 24 ? interval / 2 : interval

const elementBytes = 8

export class Scavenging {
  private received = 0
  /** The last object. Nothing reads it, but V8 may leave out the allocation of an object that nothing refers to. */
  protected object: ReadonlyArray<never> = []

  /** Counts received bytes. */
  add(bytes: number): void {
    this.received += bytes
    for (; this.received >= interval; this.received -= interval) {
      this.object = new Array<never>(objectBytes / elementBytes)
    }
  }
}
