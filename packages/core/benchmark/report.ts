// The tables of a run.
import { type ClientName, type HostName, routedHosts } from "./peers.ts"
import type { Column, Results } from "./results.ts"
import { spread, type Summary } from "./statistics.ts"
import type { Table } from "./table.ts"
import * as targets from "./targets.ts"
import type { Measurement } from "./worker.ts"
import type { Work } from "./works/work.ts"

const MiB = 1024 * 1024

const clientTitles: Readonly<Record<ClientName, string>> = {
  ours: "ours",
  oursNiceGrpc: "ours, nice-grpc",
  oursTraced: "ours, traced",
  niceGrpc: "nice-grpc",
  python: "Python",
  http2: "node:http2",
  memory: "ours, in memory"
}

const hostTitles: Readonly<Record<HostName, string>> = {
  python: "the Python exporter",
  ours: "our host",
  http2: "a host on node:http2",
  router: "the Python exporter through a router",
  oursRouter: "our host through a router"
}

const none = "-"

const figure = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(value >= 1 ? 3 : 2)

const withSpread = (summary: Summary | undefined, unit = ""): string =>
  summary === undefined ? none : `${figure(summary.median)}${unit} ±${Math.round(100 * spread(summary))}%`

const rate = ({ amount, unit }: Work) => ({ seconds }: Measurement): number =>
  unit === "time" ? seconds * 1000 : amount / seconds / (unit === "bytes" ? 1e6 : 1)

const rateUnit = ({ unit }: Work): string => ({ calls: "/s", items: "/s", bytes: " MB/s", time: " ms" })[unit]

const cost = ({ amount, unit }: Work) => ({ cpu }: Measurement): number =>
  unit === "time" ? cpu * 1000 : unit === "bytes" ? cpu * 1000 / (amount / 1e6) : cpu * 1e6 / amount

const costUnit = ({ unit }: Work): string => ({ calls: " µs", items: " µs", bytes: " ms/MB", time: " ms" })[unit]

const others: ReadonlyArray<ClientName> = ["oursNiceGrpc", "oursTraced", "niceGrpc", "python", "http2", "memory"]

const clientsOf = (results: Results, host: HostName): ReadonlyArray<ClientName> =>
  (["ours", ...others] as const).filter((client) =>
    results.works.some(({ name }) => results.has(name, { host, client }))
  )

const worksOf = (results: Results, host: HostName): ReadonlyArray<Work> =>
  results.works.filter(({ name }) => results.has(name, { host, client: "ours" }))

const speeds = (results: Results, host: HostName): Table => {
  const clients = clientsOf(results, host)
  return {
    title: `Clients of ${hostTitles[host]}`,
    head: ["work", ...clients.map((client) => clientTitles[client])],
    rows: worksOf(results, host).map((work) => [
      work.title,
      ...clients.map((client) => withSpread(results.summary(work.name, { host, client }, rate(work)), rateUnit(work)))
    ])
  }
}

const ratios = (results: Results, host: HostName): Table => {
  const others = clientsOf(results, host).filter((client) => client !== "ours")
  return {
    title: `Speed of our client of ${hostTitles[host]} / that of another`,
    head: ["work", ...others.map((client) => clientTitles[client])],
    rows: worksOf(results, host).map((work) => [
      work.title,
      ...others.map((client) => withSpread(results.speed(work.name, { host, client: "ours" }, { host, client })))
    ])
  }
}

const costs = (results: Results, host: HostName): Table => {
  const clients = clientsOf(results, host)
  return {
    title: `Processor time of the clients of ${hostTitles[host]}, per call, item or MB`,
    head: ["work", ...clients.map((client) => clientTitles[client])],
    rows: worksOf(results, host).map((work) => [
      work.title,
      ...clients.map((client) => withSpread(results.summary(work.name, { host, client }, cost(work)), costUnit(work)))
    ])
  }
}

// On few processors a router that works slows down both sides.
const routers = (results: Results, host: HostName): Table => {
  const clients = clientsOf(results, host)
  return {
    title: `Processor time of the router to ${
      host === "router" ? "the Python exporter" : "our host"
    }, as a share of the time that a work takes`,
    head: ["work", ...clients.map((client) => clientTitles[client])],
    rows: worksOf(results, host).map((work) => [
      work.title,
      ...clients.map((client) => {
        const share = results.summary(
          work.name,
          { host, client },
          ({ router = 0, seconds }) => 100 * router / seconds
        )
        return withSpread(share, "%")
      })
    ])
  }
}

const growth = (results: Results): Table => {
  const transfers = results.works.filter(({ name }) => /^(flash|download)/.test(name))
  const columns = results.series.reduce<Array<Column>>(
    (columns, { client, host, work }) =>
      !transfers.some(({ name }) => name === work) ||
        columns.some((column) => column.client === client && column.host === host)
        ? columns
        : [...columns, { client, host }],
    []
  )
  return {
    title: "Memory that a client grows by during a transfer, at most, in MiB",
    head: ["work", ...columns.map(({ client, host }) => `${clientTitles[client]} <- ${host}`)],
    rows: transfers.map((work) => [
      work.title,
      ...columns.map((column) => {
        const summary = results.summary(work.name, column, ({ growth }) => growth / MiB)
        return summary === undefined ? none : summary.upper.toFixed(0)
      })
    ])
  }
}

const bareClients = ["python", "http2"] as const

const hosts = (results: Results): Table => {
  const clients = (["niceGrpc", "python", "http2"] as const).filter((client) =>
    clientsOf(results, "python").includes(client)
  )
  return {
    title: "Our host / the Python exporter, under the same client",
    head: [
      "work",
      ...clients.map((client) => clientTitles[client]),
      ...bareClients.map((client) => `a host on node:http2 / Python's, ${clientTitles[client]}`)
    ],
    rows: results.works.filter(({ name }) => clients.some((client) => results.has(name, { host: "python", client })))
      .map((work) => [
        work.title,
        ...clients.map((client) =>
          withSpread(results.speed(work.name, { host: "ours", client }, { host: "python", client }))
        ),
        ...bareClients.map((client) =>
          withSpread(results.speed(work.name, { host: "http2", client }, { host: "python", client }))
        )
      ])
  }
}

const routedRatios = (results: Results): Table => {
  const clients = clientsOf(results, "oursRouter")
  return {
    title: "Our host / the Python exporter, through the same router and under the same client",
    head: ["work", ...clients.map((client) => clientTitles[client])],
    rows: worksOf(results, "oursRouter").map((work) => [
      work.title,
      ...clients.map((client) =>
        withSpread(results.speed(work.name, { host: "oursRouter", client }, { host: "router", client }))
      )
    ])
  }
}

const judgement = (results: Results, host: HostName): Table => ({
  title: "Targets",
  head: ["target", "limit", "measured", "", "by hand on node:http2"],
  rows: targets.judge(results, host).flatMap(({ byHand, limit, measured, met, target, unit }) =>
    measured === undefined ? [] : [[
      target,
      limit,
      `${measured.toFixed(2)}${unit}`,
      met ? "met" : "OFF",
      byHand === undefined ? none : `${byHand.toFixed(2)}${unit}`
    ]]
  )
})

/** All that have a row; that of the targets only when the run means something. */
export const tables = (results: Results, judged: boolean): ReadonlyArray<Table> => {
  const withPython = results.series.some(({ host }) => host === "python")
  return [
    ...(withPython ? [speeds(results, "python"), ratios(results, "python"), costs(results, "python")] : []),
    speeds(results, "ours"),
    ratios(results, "ours"),
    costs(results, "ours"),
    ...routedHosts.flatMap((host) => [
      speeds(results, host),
      ratios(results, host),
      costs(results, host),
      routers(results, host)
    ]),
    growth(results),
    ...(withPython ? [hosts(results)] : []),
    routedRatios(results),
    ...(judged ? [judgement(results, withPython ? "python" : "ours")] : [])
  ].filter(({ rows }) => rows.length > 0)
}
