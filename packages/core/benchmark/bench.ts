// The benchmark: `npm run bench -- [options]`; docs/performance.md explains what it prints.
import { NodeRuntime } from "@effect/platform-node"
import { Data, Effect } from "effect"
import { spawnSync } from "node:child_process"
import { writeFile } from "node:fs/promises"
import * as Os from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as peers from "./peers.ts"
import * as profile from "./profile.ts"
import * as report from "./report.ts"
import * as run from "./run.ts"
import * as table from "./table.ts"
import { bytes } from "./works/bytes.ts"
import { calls } from "./works/calls.ts"
import { connections } from "./works/connections.ts"
import { resources } from "./works/resources.ts"
import { router } from "./works/router.ts"
import type { Scale } from "./works/work.ts"

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    rounds: { type: "string" },
    json: { type: "string" },
    markdown: { type: "string" },
    profile: { type: "string" },
    node: { type: "string", default: "" }
  }
})

const scale: Scale = (full, quick) => options.quick ? quick : full

const rounds = { warmUp: scale(1, 0), kept: Number(options.rounds ?? scale(5, 1)) }

const everything = [calls, bytes, resources, connections, router].flatMap((group) => group(scale))

const works = everything.filter(({ name }) => options.only.split(",").some((prefix) => name.startsWith(prefix)))

class Misused extends Data.TaggedError("Misused")<{ readonly message: string }> {}

const sensible = Effect.gen(function*() {
  if (works.length === 0) {
    const names = everything.map(({ name }) => name).join(", ")
    return yield* new Misused({ message: `nothing is called ${options.only}; there are ${names}` })
  }
  if (!Number.isInteger(rounds.kept) || rounds.kept < 1) {
    return yield* new Misused({ message: `${String(options.rounds)} is no number of rounds` })
  }
})

// As scripts/test.mjs does it.
const findPython = (): string => {
  const { status, stdout } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL("../../../scripts/interop.mjs", import.meta.url))],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }
  )
  if (status === 0) return stdout.trim().split("\n").at(-1) ?? ""
  process.stderr.write("*** WITHOUT PYTHON: nothing is compared with Jumpstarter's own client and exporter. ***\n")
  return ""
}

const save = (path: string, text: string) => Effect.promise(() => writeFile(path, `${text}\n`))

const load = (): string => Os.loadavg()[0]?.toFixed(1) ?? "?"

const compare = Effect.gen(function*() {
  const before = load()
  const results = yield* Effect.scoped(
    Effect.gen(function*() {
      const started = yield* peers.make(findPython(), () => options.node.split(" ").filter((option) => option !== ""))
      return yield* run.all(works, started, yield* peers.everybody(started, works), rounds)
    })
  )
  const tables = report.tables(results, !options.quick)
  const note = [
    `${rounds.kept} rounds on Node ${process.version}, ${Os.platform()} ${Os.arch()}, ${Os.cpus().length} processors,`,
    `load ${before} before and ${load()} after.`,
    "Medians; ± is half the distance between the quartiles; a ratio above 1 means that ours is faster."
  ].join(" ")
  process.stdout.write(`\n${tables.map(table.terminal).join("\n\n")}\n\n${note}\n`)
  if (options.json !== undefined) {
    yield* save(options.json, JSON.stringify({ note, works, series: results.series }, undefined, 2))
  }
  if (options.markdown !== undefined) {
    yield* save(options.markdown, [...tables.map(table.markdown), note].join("\n\n"))
  }
})

const profiled = (directory: string) =>
  Effect.map(profile.all(works, findPython(), rounds.kept, directory), (tables) => {
    process.stdout.write(`${tables.map(table.terminal).join("\n\n")}\n\nThe profiles are in ${directory}\n`)
  })

NodeRuntime.runMain(
  Effect.zipRight(sensible, options.profile === undefined ? compare : profiled(options.profile))
)
