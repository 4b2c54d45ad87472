// The exporters and the clients, each in a process of its own.
import { Effect, Redacted, type Scope } from "effect"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as certificates from "../test/support/certificates.ts"
import * as temporary from "../test/support/temporary.ts"
import * as installation from "./installation.ts"
import * as worker from "./worker.ts"

/** The last two are the Python exporter and our host again, in a lab and leased. */
export type HostName = "python" | "ours" | "http2" | "router" | "oursRouter"

/** Those that are reached through a router, with the names of their clients in the lab. */
export const routed = { router: "python", oursRouter: "ours" } as const

export const routedHosts = ["router", "oursRouter"] as const satisfies ReadonlyArray<HostName & keyof typeof routed>

/** Whether a host is reached through a router. */
export const isRouted = (host: HostName): boolean => host in routed

export type ClientName = "ours" | "oursNiceGrpc" | "oursTraced" | "niceGrpc" | "python" | "http2" | "memory"

/** A client and the exporter it is connected to. */
export interface Subject extends worker.Worker {
  readonly host: HostName
  readonly client: ClientName
  /** Where the exporter is. */
  readonly address: string
}

export interface Peers {
  /** A directory for files, gone at the end. */
  readonly directory: string
  /** The interpreter that has Jumpstarter; empty when there is none. */
  readonly python: string
  /** The command of one of our programs; see `Installation`. */
  readonly program: installation.Installation["program"]
  /** Starts an exporter of each kind, with `drivers` more drivers than the one that is called, and returns their addresses. */
  readonly exporters: (
    drivers: number
  ) => Effect.Effect<ReadonlyMap<HostName, string>, worker.WorkFailed, Scope.Scope>
  /** Starts a host that is written by hand, and returns its address. */
  readonly bareHost: Effect.Effect<string, worker.WorkFailed, Scope.Scope>
  /** Starts a lab. An address there is the configuration file of a client, and its answers have the processor time of its router. */
  readonly lab: Effect.Effect<
    worker.Worker & { readonly addressOf: (host: keyof typeof routed) => string },
    worker.WorkFailed,
    Scope.Scope
  >
  /** Starts a client. */
  readonly connect: (
    client: ClientName,
    host: HostName,
    address: string
  ) => Effect.Effect<Subject, worker.WorkFailed, Scope.Scope>
}

/** What needs Python is left out when there is none. Our processes run with the Node options for their names. */
export const make = (
  python: string,
  nodeOptions: (process: string) => ReadonlyArray<string> = () => []
): Effect.Effect<Peers, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { program } = yield* installation.make
    const directory = yield* temporary.directory
    const hosts: Array<readonly [HostName, worker.Command]> = [[
      "ours",
      program("exporterProcess", nodeOptions("exporter"))
    ]]
    if (python !== "") hosts.unshift(["python", worker.pythonProgram(python, "bench_exporter.py")])
    return {
      directory,
      python,
      program,
      exporters: (drivers) =>
        Effect.map(
          Effect.forEach(hosts, ([host, command]) => {
            const address = join(directory, `${host}-${drivers}`)
            return Effect.as(
              worker.start(`exporter (${host})`, [...command, "--unix", address, "--drivers", String(drivers)]),
              [host, address] as const
            )
          }),
          (addresses) => new Map(addresses)
        ),
      bareHost: Effect.suspend(() => {
        const address = join(directory, "http2")
        const command: worker.Command = [...program("bareHostProcess", nodeOptions("bare-host")), "--unix", address]
        return Effect.as(worker.start("host (node:http2)", command), address)
      }),
      lab: Effect.gen(function*() {
        const home = join(directory, "lab")
        const { certificate: { chain, privateKey } } = yield* certificates.localhost
        yield* Effect.promise(async () => {
          await mkdir(home)
          await writeFile(join(home, "certificate.pem"), chain)
          await writeFile(join(home, "key.pem"), Redacted.value(privateKey), { mode: 0o600 })
        })
        const command: worker.Command = [
          ...program("labProcess", nodeOptions("lab")),
          home,
          ...worker.pythonProgram(python, ""),
          ...program("exporterProcess", nodeOptions("exporter-of-lab"))
        ]
        const { ask } = yield* worker.start("lab", command)
        return { ask, addressOf: (host) => join(home, "clients", `${routed[host]}.yaml`) }
      }),
      connect: (client, host, address) =>
        Effect.map(
          worker.start(
            `${client} -> ${host}`,
            client === "python"
              ? [...worker.pythonProgram(python, "bench_client.py"), address]
              : [...program("clientProcess", nodeOptions(`client-of-${host}`)), client, address]
          ),
          ({ ask }) => ({ host, client, address, ask })
        )
    }
  })

// Every client of every exporter.
const direct = ({ bareHost, connect, exporters, python }: Peers) =>
  Effect.flatMap(Effect.all([exporters(0), bareHost]), ([addresses, bareAddress]) => {
    const clients: ReadonlyArray<ClientName> = [
      "ours",
      "oursNiceGrpc",
      "oursTraced",
      "niceGrpc",
      ...(python === "" ? [] : ["python" as const]),
      "http2"
    ]
    const pairs = Array.from(
      addresses,
      ([host, address]) =>
        [...clients, ...(host === "ours" ? ["memory" as const] : [])].map((client) => ({ client, host, address }))
    ).flat()
    const bare = clients.filter((client) => client === "http2" || client === "python")
      .map((client) => ({ client, host: "http2" as const, address: bareAddress }))
    return Effect.forEach([...pairs, ...bare], ({ address, client, host }) => connect(client, host, address), {
      concurrency: 2
    })
  })

// The clients that can lease. What they measure says how much of it was the router's.
const leased = ({ connect, lab, python }: Peers) =>
  python === ""
    ? Effect.succeed<ReadonlyArray<Subject>>([])
    : Effect.flatMap(lab, ({ addressOf, ask }) =>
      Effect.forEach(
        routedHosts.flatMap((host) => [{ host, client: "ours" }, { host, client: "python" }] as const),
        ({ client, host }) =>
          Effect.map(connect(client, host, addressOf(host)), (subject): Subject => ({
            ...subject,
            ask: (work) =>
              Effect.map(
                Effect.all([ask({}), subject.ask(work), ask({})]),
                ([before, measurement, after]) => ({ ...measurement, router: after.cpu - before.cpu })
              )
          }))
      ))

/** Starts everybody who takes part in some works. */
export const everybody = (
  peers: Peers,
  works: ReadonlyArray<{ readonly throughRouter?: true }>
): Effect.Effect<ReadonlyArray<Subject>, worker.WorkFailed, Scope.Scope> =>
  Effect.map(
    Effect.all([
      works.some(({ throughRouter }) => throughRouter !== true) ? direct(peers) : Effect.succeed([]),
      works.some(({ throughRouter }) => throughRouter === true) ? leased(peers) : Effect.succeed([])
    ]),
    (subjects) => subjects.flat()
  )
