// What we want to reach, as ratios within one run.
import type { ClientName, HostName } from "./peers.ts"
import type { Results } from "./results.ts"

/** A target and what became of it; `measured` is undefined when the run had no figure for it. */
export interface Verdict {
  readonly target: string
  readonly limit: string
  readonly measured: number | undefined
  readonly unit: string
  readonly met: boolean
  /** What a program that is written by hand on node:http2 measured in place of ours, in the same rounds. */
  readonly byHand?: number | undefined
}

const MiB = 1024 * 1024

const at = (host: HostName, client: ClientName) => ({ host, client })

const atLeast = (target: string, limit: number, measured: number | undefined, byHand?: number): Verdict => ({
  target,
  limit: `at least ${limit}x`,
  measured,
  unit: "x",
  met: measured !== undefined && measured >= limit,
  byHand
})

const atMost = (target: string, limit: number, measured: number | undefined, unit = "x", byHand?: number): Verdict => ({
  target,
  limit: `at most ${limit}${unit}`,
  measured,
  unit,
  met: measured !== undefined && measured <= limit,
  byHand
})

const transfers = ["receive-4KiB", "receive-64KiB", "receive-1MiB", "send-4KiB", "send-64KiB", "send-1MiB"]

// How many times as fast as Python's client ours should be.
const clientGoals: ReadonlyArray<readonly [work: string, limit: number]> = [
  ["receive-4KiB", 1.2],
  ["receive-64KiB", 1.2],
  ["receive-1MiB", 1.2],
  ["send-4KiB", 1],
  ["send-64KiB", 1],
  ["send-1MiB", 1],
  ["streams-50", 1],
  ["streams-200", 1],
  ["flash", 1],
  ["download", 1.1],
  ["flash-gzip", 1.2],
  ["flash-zstd", 1.2]
]

/** Compares what was measured with the targets. */
export const judge = (results: Results, host: HostName): ReadonlyArray<Verdict> => {
  const title = (work: string) => results.works.find(({ name }) => name === work)?.title ?? work
  const speed = (work: string, client: ClientName, other: ClientName, from: HostName = host) =>
    results.speed(work, at(from, client), at(from, other))?.median
  const hosts = (work: string, client: ClientName, one: HostName = "ours") =>
    results.speed(work, at(one, client), at("python", client))?.median
  const costs = (work: string, client: ClientName, other: ClientName) =>
    results.cost(work, at(host, client), at(host, other))?.median
  const inverse = (value: number | undefined) => value === undefined ? undefined : 1 / value
  const growth = (work: string, client: ClientName) => {
    const bytes = results.summary(work, at(host, client), ({ growth }) => growth)?.upper
    return bytes === undefined ? undefined : bytes / MiB
  }
  const perUnit = (work: string, client: ClientName, from: HostName) => results.secondsPerUnit(work, at(from, client))
  const slope = (many: string, few: string, from: HostName) => {
    const [of, to] = [perUnit(many, "ours", from), perUnit(few, "ours", from)]
    return of === undefined || to === undefined ? undefined : of / to
  }
  const trees = results.works.filter(({ name }) => name.startsWith("tree-")).map(({ name }) => name)

  return [
    ...["unary", "unary-100"].flatMap((work) => [
      atMost(
        `time of ${title(work)}: ours / nice-grpc`,
        1.1,
        inverse(speed(work, "ours", "niceGrpc")),
        "x",
        inverse(speed(work, "http2", "niceGrpc"))
      ),
      atLeast(
        `${title(work)}: ours / Python client`,
        1,
        speed(work, "ours", "python"),
        speed(work, "http2", "python")
      )
    ]),
    atLeast(
      "items of a streaming call: ours / nice-grpc",
      0.95,
      speed("items", "ours", "niceGrpc"),
      speed("items", "http2", "niceGrpc")
    ),
    ...clientGoals.map(([work, limit]) =>
      atLeast(
        `${title(work)}: ours / Python client`,
        limit,
        speed(work, "ours", "python"),
        speed(work, "http2", "python")
      )
    ),
    ...["streams-50", "streams-200"].map((work) =>
      atMost(
        `processor time of ${title(work)}: ours / nice-grpc`,
        1.5,
        costs(work, "ours", "niceGrpc"),
        "x",
        costs(work, "http2", "niceGrpc")
      )
    ),
    ...trees.slice(0, 1).map((work) =>
      atLeast(
        `${title(work)}: ours / nice-grpc`,
        0.9,
        speed(work, "ours", "niceGrpc"),
        speed(work, "http2", "niceGrpc")
      )
    ),
    ...["unary", "unary-100", "receive-64KiB", "receive-1MiB", "send-64KiB", "send-1MiB"].map((work) =>
      atLeast(
        `${title(`router-${work}`)} through a router: ours / Python client`,
        1,
        speed(`router-${work}`, "ours", "python", "router")
      )
    ),
    ...["unary", "unary-100", "receive-64KiB", "receive-1MiB", "send-64KiB", "send-1MiB"].flatMap((work) =>
      (["ours", "python"] as const).map((client) =>
        atLeast(
          `${title(`router-${work}`)} through a router: our host / Python's, ${
            client === "ours" ? "our" : "Python"
          } client`,
          1,
          results.speed(`router-${work}`, at("oursRouter", client), at("router", client))?.median
        )
      )
    ),
    ...["router-ready", "router-create"].map((work) =>
      atLeast(`${title(work)}: ours / Python client`, 1, speed(work, "ours", "python", "router"))
    ),
    atMost(title("router-create"), 0.4, perUnit("router-create", "ours", "router"), " s"),
    ...["flash", "download"].map((work) => atMost(`memory growth, ${title(work)}`, 64, growth(work, "ours"), " MiB")),
    // The lightest client shows most of the host.
    ...["unary", "unary-100"].map((work) =>
      atLeast(
        `${title(work)}: our host / a host on node:http2, node:http2`,
        0.85,
        results.speed(work, at("ours", "http2"), at("http2", "http2"))?.median
      )
    ),
    atLeast(
      `${title("items")}: our host / Python's, node:http2`,
      3,
      hosts("items", "http2"),
      hosts("items", "http2", "http2")
    ),
    // What a host grants depends on its client, see transport/http2/server.ts.
    ...transfers.flatMap((work) => [
      atLeast(
        `${title(work)}: our host / Python's, Python client`,
        1,
        hosts(work, "python"),
        hosts(work, "python", "http2")
      ),
      atLeast(
        `${title(work)}: our host / Python's, node:http2`,
        1,
        hosts(work, "http2"),
        hosts(work, "http2", "http2")
      )
    ]),
    ...["flash", "flash-gzip", "flash-zstd"].map((work) =>
      atLeast(`${title(work)}: our host / Python's, Python client`, 1, hosts(work, "python"))
    ),
    atLeast("calls in memory / over a Unix socket", 5, speed("unary", "memory", "ours", "ours")),
    ...["cold", "cold-bundle"].map((work) =>
      atMost(`${title(work)}: ours / Python client`, 1, inverse(speed(work, "ours", "python")))
    ),
    atMost("cost of a call: 1,000 in flight / 100", 1.25, slope("unary-1000", "unary-100", "ours")),
    atMost("cost of a byte stream: 200 at a time / 50", 1.25, slope("streams-200", "streams-50", "ours")),
    atMost("cost of a byte stream: 1,000 at a time / 50", 1.25, slope("streams-1000", "streams-50", "ours")),
    atMost("cost of a connection: 20 at once / 2", 1.25, slope("connections-20", "connections-2", "ours")),
    atMost("cost of a byte: 10 resources at once / one", 1.25, slope("flash-10", "flash", "ours")),
    ...(trees.length === 2
      ? [atMost("cost of a driver: large tree / small tree", 1.25, slope(trees[1] ?? "", trees[0] ?? "", "ours"))]
      : [])
  ]
}
