// Byte streams, both ways and many at a time.
import { Effect } from "effect"
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

const streams = (count: number): Work => ({
  name: `streams-${count}`,
  title: `${count} byte streams at a time`,
  unit: "time",
  amount: count,
  clients: overSocket,
  prepare: () => Effect.succeed(({ ask }) => ask({ work: "streams", count }))
})

export const bytes = (scale: Scale): ReadonlyArray<Work> => {
  const sizes = [
    ["4KiB", 4 * KiB, scale(32 * MiB, MiB)],
    ["64KiB", 64 * KiB, scale(128 * MiB, 4 * MiB)],
    ["1MiB", MiB, scale(256 * MiB, 8 * MiB)]
  ] as const
  return [
    ...sizes.map(([size, chunk, bytes]) => oneWay("receive", "bytes from the exporter", size, chunk, bytes)),
    ...sizes.map(([size, chunk, bytes]) => oneWay("send", "bytes to the exporter", size, chunk, bytes)),
    streams(50),
    streams(200),
    streams(scale(1000, 100))
  ]
}
