import { expect, it } from "@effect/vitest"
import { PassThrough } from "node:stream"
import { Reading } from "../../../src/transport/http2/messages.ts"

const MiB = 1024 * 1024

// The growth of the heap while a large message arrives. A collection in the meantime makes it smaller, never larger.
const growth = (): number => {
  const stream = new PassThrough()
  const reading = new Reading(stream, () => undefined, 4 * MiB, (error) => expect.unreachable(String(error)))
  const piece = new Uint8Array(64 * 1024)
  reading.start()
  stream.emit("data", Uint8Array.of(0, 0, 4 * MiB >> 16, 0, 0))
  const before = process.memoryUsage().heapUsed
  for (let received = 0; received < 4 * MiB; received += piece.length) stream.emit("data", piece)
  return process.memoryUsage().heapUsed - before
}

// Otherwise V8 takes a process that only receives for idle, and collects its whole heap again and again.
it("makes garbage in proportion to the bytes that it receives", () => {
  const most = Math.max(...Array.from({ length: 20 }, growth))
  expect(most).toBeGreaterThan(MiB)
  expect(most).toBeLessThan(8 * MiB)
})
