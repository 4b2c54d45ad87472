// The soak: `npm run soak -- [options]` does things many times over and looks what they leave behind, in this process
// and in our host's. docs/performance.md explains what it prints.
import { ClientConfig, Controller, type DriverClient, Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
import { FetchHttpClient } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Duration, Effect, Redacted, Schema } from "effect"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as certificates from "../test/support/certificates.ts"
import * as temporary from "../test/support/temporary.ts"
import * as census from "./census.ts"
import * as installation from "./installation.ts"
import * as memoryWatch from "./memoryWatch.ts"
import { type Scenario, scenarios, type Stage } from "./scenarios.ts"
import * as table from "./table.ts"
import * as worker from "./worker.ts"

const { values: options } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    minutes: { type: "string", default: "20" }
  }
})

const MiB = 1024 * 1024

// A leak is a little for each time; what the engine learns about code and types is some for all of them.
const heapLimit = (count: number): number => MiB + 64 * count

// The engine goes on learning for thousands of times, but less and less, so a heap above its limit gets more chances.
const chances = 3

const peakLimit = 64 * MiB

interface Host {
  readonly directory: string
  readonly address: string
  /** The driver that tells about the host's process, on a connection that no scenario uses. */
  readonly control: DriverClient.DriverClient
  readonly controller: Stage["controller"]
}

interface Outcome {
  readonly row: ReadonlyArray<string>
  readonly complaints: ReadonlyArray<string>
  /** Heaps above their limit, which are a leak if they are every time. */
  readonly growth: ReadonlyArray<string>
}

const Client = Schema.Struct({
  endpoint: Schema.String,
  name: Schema.String,
  namespace: Schema.String,
  token: Schema.Redacted(Schema.String)
})

const observe = ({ control }: Host) =>
  Effect.all({
    client: Effect.promise(() => census.take()),
    host: Effect.flatMap(control.call("census"), Schema.decodeUnknown(census.Census))
  })

const watch = ({ control }: Host) =>
  Effect.map(control.call("watch"), () => {
    const growth = memoryWatch.watch()
    return Effect.all({
      client: Effect.sync(growth),
      host: Effect.flatMap(control.call("growth"), Schema.decodeUnknown(Schema.Number))
    })
  })

const mebibytes = (bytes: number): string => (bytes / MiB).toFixed(1)

// Does all of it once, and sees whether that leaves anything that the earlier times did not.
const measureOnce = (host: Host, stage: Stage, { count, flat, kept, run, title }: Scenario) =>
  Effect.gen(function*() {
    const before = yield* observe(host)
    const growth = yield* watch(host)
    const start = performance.now()
    yield* Effect.scoped(run(stage, count))
    const seconds = (performance.now() - start) / 1000
    const peaks = yield* growth
    const after = yield* observe(host)
    const sides = (["client", "host"] as const).map((side) => {
      const heap = after[side].bytes - before[side].bytes
      const peak = peaks[side]
      const limit = heapLimit(count) + (side === "host" ? kept * count : 0)
      const name = (text: string) => `${title}: ${side}: ${text}`
      return {
        figures: [mebibytes(heap), mebibytes(peak)],
        complaints: [
          ...census.more(before[side], after[side]),
          ...(flat && peak > peakLimit ? [`resident memory +${mebibytes(peak)} MiB at times`] : [])
        ].map(name),
        growth: heap > limit ? [name(`heap +${mebibytes(heap)} MiB, ${(heap / count).toFixed(0)} bytes each`)] : []
      }
    })
    const outcome: Outcome = {
      row: [`${count} ${title}`, `${seconds.toFixed(1)} s`, ...sides.flatMap(({ figures }) => figures)],
      complaints: sides.flatMap(({ complaints }) => complaints),
      growth: sides.flatMap(({ growth }) => growth)
    }
    yield* Effect.sync(() => outcome.growth.forEach((text) => process.stderr.write(`  ${text}\n`)))
    return outcome
  })

// Some of it to get everything warm, and then all.
const measure = (host: Host, scenario: Scenario) =>
  Effect.gen(function*() {
    const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(host.address))
    const bench = yield* connection.driver("bench")
    const soak = yield* connection.driver("soak")
    const { address, controller, directory } = host
    const stage = { address, bench, controller, directory, soak }
    yield* Effect.scoped(scenario.run(stage, Math.ceil(scenario.count / 4)))
    return yield* Effect.repeat(measureOnce(host, stage, scenario), {
      until: ({ complaints, growth }) => complaints.length > 0 || growth.length === 0,
      times: chances - 1
    })
  }).pipe(
    Effect.scoped,
    Effect.timeout(Duration.minutes(Number(options.minutes))),
    Effect.catchAllCause((cause) =>
      Effect.succeed<Outcome>({
        row: [`${scenario.count} ${scenario.title}`, "not done"],
        complaints: [`${scenario.title}: ${Cause.pretty(cause).split("\n")[0]}`],
        growth: []
      })
    )
  )

const soak = Effect.gen(function*() {
  const { program } = yield* installation.make
  const directory = yield* temporary.directory
  const address = join(directory, "host")
  const certificateFile = join(directory, "certificate.pem")
  const keyFile = join(directory, "key.pem")
  const { certificate: { chain, privateKey } } = yield* certificates.localhost
  yield* Effect.promise(async () => {
    await writeFile(certificateFile, chain)
    await writeFile(keyFile, Redacted.value(privateKey), { mode: 0o600 })
  })
  yield* worker.start("our host", [...program("soakProcess", ["--expose-gc"]), address, certificateFile, keyFile])
  const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(address))
  const control = yield* connection.driver("soak")
  const client = yield* Effect.flatMap(control.call("client"), Schema.decodeUnknown(Client))
  const config = yield* ClientConfig.make({ ...client, tls: { ca: chain } })
  // One for all of them: grpc-js keeps a connection that was closed for up to ten seconds.
  const controller = yield* Effect.provide(Controller.make(config), FetchHttpClient.layer)
  const host: Host = { address, control, controller, directory }
  const chosen = scenarios(Number(options.scale))
    .filter(({ name }) => options.only.split(",").some((prefix) => name.startsWith(prefix)))
  const outcomes = yield* Effect.forEach(chosen, (scenario) =>
    Effect.zipRight(
      Effect.sync(() => process.stderr.write(`${scenario.count} ${scenario.title}\n`)),
      measure(host, scenario)
    ))
  const complaints = outcomes.flatMap(({ complaints, growth }) => [...complaints, ...growth])
  const result = table.terminal({
    title: "What is left after it, and what was there at times, in MiB",
    head: ["scenario", "time", "client heap", "client peak", "host heap", "host peak"],
    rows: outcomes.map(({ row }) => row)
  })
  const verdict = complaints.length === 0 ? "Nothing is left behind." : ["LEFT BEHIND:", ...complaints].join("\n  ")
  process.stdout.write(`\n${result}\n\n${verdict}\n`)
  if (complaints.length > 0) process.exitCode = 1
})

NodeRuntime.runMain(Effect.scoped(soak))
