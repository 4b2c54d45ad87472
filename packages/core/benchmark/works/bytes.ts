// Byte streams, both ways and many at a time.
import { Effect } from "effect"
import type { Measurement } from "../worker.ts"
import { everyone, overSocket, type Scale, type Work } from "./work.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const oneWay = (work: "receive" | "send", title: string, size: string, chunk: number, bytes: number): Work => ({
  name: `${work}-${size}`,
  title: `${title}, ${size}`,
  unit: "bytes",
  amount: bytes,
  clients: everyone,
  bareHost: true,
  prepare: () => Effect.succeed(({ ask }) => ask({ work, chunk, bytes }))
})

const sum = (measurements: ReadonlyArray<Measurement>): Measurement => ({
  seconds: measurements.reduce((sum, { seconds }) => sum + seconds, 0),
  cpu: measurements.reduce((sum, { cpu }) => sum + cpu, 0),
  growth: Math.max(...measurements.map(({ growth }) => growth))
})

// Each opens the same number of streams, one batch after the other, so that their costs can be compared: V8 takes several hundred streams
// to compile what opens one.
const streams = (total: number, count: number): Work => ({
  name: `streams-${count}`,
  title: `${total.toLocaleString("en-US")} byte streams, ${count.toLocaleString("en-US")} at a time`,
  unit: "time",
  amount: total,
  clients: overSocket,
  prepare: () =>
    Effect.succeed(({ ask }) => Effect.map(Effect.replicateEffect(ask({ work: "streams", count }), total / count), sum))
})

export const bytes = (scale: Scale): ReadonlyArray<Work> => {
  const sizes = [
    ["4KiB", 4 * KiB, scale(32 * MiB, MiB)],
    ["64KiB", 64 * KiB, scale(128 * MiB, 4 * MiB)],
    ["1MiB", MiB, scale(256 * MiB, 8 * MiB)]
  ] as const
  const total = scale(1000, 200)
  return [
    ...sizes.map(([size, chunk, bytes]) => oneWay("receive", "bytes from the exporter", size, chunk, bytes)),
    ...sizes.map(([size, chunk, bytes]) => oneWay("send", "bytes to the exporter", size, chunk, bytes)),
    streams(total, 50),
    streams(total, scale(200, 100)),
    streams(total, total)
  ]
}
