// Keeps V8 from marking the whole heap while a process receives large amounts of bytes.
//
// Node delivers received bytes in ArrayBuffers. V8 counts them toward the limit at which it begins to mark the whole heap, until a
// scavenge of the young generation frees them. It scavenges when small objects have filled that generation, but large messages come with
// few objects. V8 even takes a process that only receives for idle, and lowers the limit to some 9 MiB above the size of the heap. It then
// marks the heap each time that so many bytes have arrived, for three to five times the processor time of the transfer. Objects in
// proportion to the bytes show V8 a process at work, and make it scavenge before the limit is reached. They take less than a tenth of the
// processor time of a transfer.

// How many bytes are received for each object.
const interval = 64 * 1024

// V8 before Node 24 has a young generation of 16 MiB, and of 64 MiB since.
const objectBytes = Number.parseInt(process.versions.node) < 24 ? interval / 2 : interval

const elementBytes = 8

export class Scavenging {
  private received = 0
  /** The last object. Nothing reads it, but V8 may leave out the allocation of an object that nothing refers to. */
  protected object: ReadonlyArray<never> = []

  /** Counts received bytes. */
  add(bytes: number): void {
    this.received += bytes
    if (this.received < interval) return
    this.received = 0
    this.object = new Array<never>(objectBytes / elementBytes)
  }
}
