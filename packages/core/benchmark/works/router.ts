// Calls and bytes through a router: our tunnel next to Python's, to the same exporter under the same lease, and to our host.
import { Effect } from "effect"
import { oneWay } from "./bytes.ts"
import { unary } from "./calls.ts"
import type { Scale, Work } from "./work.ts"

const KiB = 1024
const MiB = 1024 * KiB

const lease = (name: string, title: string, creates: boolean): Work => ({
  name: `router-${name}`,
  title,
  unit: "time",
  amount: 1,
  clients: ["ours", "python"],
  throughRouter: true,
  prepare: () => Effect.succeed(({ ask }) => ask({ work: "firstAnswer", creates }))
})

export const router = (scale: Scale): ReadonlyArray<Work> => {
  const sizes = [
    ["64KiB", 64 * KiB, scale(32 * MiB, 2 * MiB)],
    ["1MiB", MiB, scale(64 * MiB, 4 * MiB)]
  ] as const
  const traffic: ReadonlyArray<Work> = [
    unary("unary", "calls, one at a time", scale(1000, 50), 1),
    unary("unary-100", "calls, 100 in flight", scale(2000, 200), 100),
    ...sizes.map(([size, chunk, bytes]) => oneWay("receive", "bytes from the exporter", size, chunk, bytes)),
    ...sizes.map(([size, chunk, bytes]) => oneWay("send", "bytes to the exporter", size, chunk, bytes))
  ].map((work) => ({ ...work, name: `router-${work.name}`, clients: ["ours", "python"], throughRouter: true }))
  return [
    ...traffic,
    lease("ready", "from a ready lease to the first answer", false),
    lease("create", "from creating a lease to the first answer", true)
  ]
}
