// V8 profiles of our client and our host at work, and where their time goes.
import { Effect, Schema } from "effect"
import { mkdir, readdir, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { type HostName, make, routedHosts } from "./peers.ts"
import type { Table } from "./table.ts"
import type { WorkFailed } from "./worker.ts"
import { isDoneAt, type Work } from "./works/work.ts"

const Profile = Schema.parseJson(Schema.Struct({
  nodes: Schema.Array(Schema.Struct({
    id: Schema.Number,
    callFrame: Schema.Struct({ functionName: Schema.String, url: Schema.String, lineNumber: Schema.Number })
  })),
  samples: Schema.Array(Schema.Number),
  timeDeltas: Schema.Array(Schema.Number)
}))

const shown = 25

// The part of a path that tells packages and modules apart.
const place = (url: string): string =>
  url.replace(/^.*\/node_modules\//, "").replace(/^.*\/build\/benchmark-[^/]*\//, "")

const hottest = (title: string, { nodes, samples, timeDeltas }: typeof Profile.Type): Table => {
  const names = new Map(
    nodes.map(({ callFrame: { functionName, lineNumber, url }, id }) => [
      id,
      `${functionName === "" ? "(anonymous)" : functionName}${url === "" ? "" : ` ${place(url)}:${lineNumber + 1}`}`
    ])
  )
  const times = new Map<string, number>()
  samples.forEach((id, index) => {
    const name = names.get(id) ?? ""
    if (name !== "(idle)") times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0))
  })
  const total = Array.from(times.values()).reduce((sum, time) => sum + time, 0)
  return {
    title,
    head: ["function", "self", "of all"],
    rows: Array.from(times).sort(([, a], [, b]) => b - a).slice(0, shown).map(([name, time]) => [
      name,
      `${(time / 1000).toFixed(0)} ms`,
      `${(100 * time / total).toFixed(1)}%`
    ])
  }
}

/** Does works with our client of every exporter, writes a profile of each of our processes, and shows its top. */
export const all = (
  works: ReadonlyArray<Work>,
  python: string,
  rounds: number,
  directory: string
): Effect.Effect<ReadonlyArray<Table>, WorkFailed> =>
  Effect.gen(function*() {
    yield* Effect.promise(() => rm(directory, { recursive: true, force: true }))
    yield* Effect.promise(() => mkdir(directory, { recursive: true }))
    yield* Effect.scoped(Effect.gen(function*() {
      const peers = yield* make(
        python,
        (process) => ["--cpu-prof", `--cpu-prof-name=${process}.cpuprofile`, `--cpu-prof-dir=${directory}`]
      )
      const addresses = new Map<HostName, string>(yield* peers.exporters(0))
      if (works.some(({ throughRouter }) => throughRouter === true)) {
        const { addressOf } = yield* peers.lab
        for (const host of routedHosts) addresses.set(host, addressOf(host))
      }
      for (const [host, address] of addresses) {
        const subject = yield* peers.connect("ours", host, address)
        for (const work of works.filter((work) => isDoneAt(work, host))) {
          const run = yield* Effect.scoped(work.prepare(peers))
          yield* Effect.repeatN(run(subject), rounds)
        }
      }
    }))
    const files = yield* Effect.promise(() => readdir(directory))
    return yield* Effect.forEach(files, (file) =>
      Effect.map(
        Effect.promise(() => readFile(join(directory, file), "utf8")).pipe(
          Effect.flatMap(Schema.decode(Profile)),
          Effect.orDie
        ),
        (profile) => hottest(file, profile)
      ))
  })
