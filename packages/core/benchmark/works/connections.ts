// Connecting: to exporters with many drivers, and from a cold start.
import { Effect } from "effect"
import * as worker from "../worker.ts"
import { overSocket, type Scale, type Work } from "./work.ts"

const tree = (drivers: number): Work => ({
  name: `tree-${drivers}`,
  title: `connecting to ${drivers} drivers`,
  unit: "time",
  amount: drivers,
  clients: overSocket,
  prepare: (peers) =>
    Effect.map(
      peers.exporters(drivers),
      (addresses) => ({ ask, host }) => ask({ work: "connect", address: addresses.get(host), drivers })
    )
})

const many = (count: number): Work => ({
  name: `connections-${count}`,
  title: `${count} connections at once, with a call on each`,
  unit: "time",
  amount: count,
  clients: ["ours", "python"],
  prepare: () => Effect.succeed(({ address, ask }) => ask({ work: "connections", address, count }))
})

const cold = (name: string, title: string, module: string): Work => ({
  name,
  title,
  unit: "time",
  amount: 1,
  clients: ["ours", "python"],
  prepare: ({ program, python }) =>
    Effect.succeed(({ address, client }) =>
      worker.once(
        client,
        client === "python" ? worker.pythonProgram(python, "bench_cold.py") : program(module),
        { JUMPSTARTER_HOST: address, JMP_DRIVERS_ALLOW: "UNSAFE" }
      )
    )
})

export const connections = (scale: Scale): ReadonlyArray<Work> => [
  tree(scale(1000, 100)),
  tree(scale(5000, 500)),
  many(2),
  many(20),
  cold("cold", "cold start, as in the README", "cold"),
  cold("cold-modules", "cold start, importing single modules", "coldModules"),
  cold("cold-bundle", "cold start, bundled into one file", "coldBundle")
]
