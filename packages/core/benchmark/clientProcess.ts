// A client in a process of its own: `clientProcess.ts KIND ADDRESS`. It reads one work per line, as JSON, does it, and
// answers with a line of what it took. The address of an exporter in a lab is the configuration of a client there.
// interop/bench_client.py is its counterpart.
import { createInterface } from "node:readline"
import type { Client } from "./clients/client.ts"
import * as memoryWatch from "./memoryWatch.ts"

// Each process loads its own client only.
const kinds: Readonly<Record<string, (address: string) => Promise<Client>>> = {
  ours: async (address) => {
    const { leased, unix } = await import("./clients/ours.ts")
    return address.endsWith(".yaml") ? leased(address) : unix(address)
  },
  oursNiceGrpc: async (address) => (await import("./clients/ours.ts")).unix(address, { transport: "nice-grpc" }),
  oursTraced: async (address) => (await import("./clients/traced.ts")).unix(address),
  memory: async () => (await import("./clients/ours.ts")).inMemory(),
  niceGrpc: async (address) =>
    (await import("./clients/rpcs.ts")).client((await import("./clients/niceGrpc.ts")).connect, address),
  http2: async (address) =>
    (await import("./clients/rpcs.ts")).client((await import("./clients/http2.ts")).connect, address)
}

const measure = async (work: () => Promise<void | (() => Promise<void>)>) => {
  const growth = memoryWatch.watch()
  const cpu = process.cpuUsage()
  const start = performance.now()
  try {
    const undo = await work()
    const seconds = (performance.now() - start) / 1000
    const { system, user } = process.cpuUsage(cpu)
    await undo?.()
    return { seconds, cpu: (system + user) / 1e6, growth: growth() }
  } finally {
    growth()
  }
}

const say = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`)

const [kind = "", address = ""] = process.argv.slice(2)
const client = await kinds[kind]?.(address)
if (client === undefined) throw new Error(`no client is called ${kind}`)
say({ pid: process.pid })

for await (const line of createInterface({ input: process.stdin })) {
  const { work, ...options } = JSON.parse(line)
  try {
    const does = client[work as keyof Client]
    if (does === undefined) throw new Error(`this client cannot do ${work}`)
    say(await measure(() => does(options)))
  } catch (error) {
    say({ error: error instanceof Error ? error.message : String(error) })
  }
}
process.exit()
