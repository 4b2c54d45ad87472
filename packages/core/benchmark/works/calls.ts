// Calls and streaming calls.
import { Effect } from "effect"
import { everyone, type Scale, type Work } from "./work.ts"

export const unary = (name: string, title: string, count: number, inFlight: number): Work => ({
  name,
  title,
  unit: "calls",
  amount: count,
  clients: [...everyone, "oursTraced"],
  bareHost: true,
  prepare: () => Effect.succeed(({ ask }) => ask({ work: "unary", count, inFlight }))
})

const items = (count: number): Work => ({
  name: "items",
  title: "streaming call",
  unit: "items",
  amount: count,
  clients: [...everyone, "oursTraced"],
  bareHost: true,
  prepare: () => Effect.succeed(({ ask }) => ask({ work: "items", count }))
})

export const calls = (scale: Scale): ReadonlyArray<Work> => [
  unary("unary", "calls, one at a time", scale(1000, 50), 1),
  unary("unary-100", "calls, 100 in flight", scale(4000, 400), 100),
  unary("unary-1000", "calls, 1,000 in flight", scale(4000, 1000), 1000),
  items(scale(20_000, 1000))
]
