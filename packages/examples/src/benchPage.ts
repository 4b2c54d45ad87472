/**
 * `npm run bench-page` serves a page for the bench: its drivers, power, console, log and flashing, live. The board is one in this process, or the
 * exporter of `JUMPSTARTER_HOST`, or one that `--lease SELECTOR` leases. For hardware the page only reads, unless `--write` is given.
 */
import { Controller, ExporterConnection, Lease } from "@effect-jumpstarter/core"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { createServer } from "node:http"
import { parseArgs } from "node:util"
import * as Bench from "./benchPage/Bench.ts"
import * as Guard from "./benchPage/Guard.ts"
import * as Page from "./benchPage/Page.ts"
import * as Server from "./benchPage/Server.ts"
import * as EmbeddedExporter from "./demo/EmbeddedExporter.ts"

class Usage extends Data.TaggedError("Usage")<{ readonly problem: string }> {
  override get message(): string {
    return `${this.problem}; use [--port PORT] [--listen ADDRESS] [--write] [--lease SELECTOR]`
  }
}

const parse = Effect.try({
  try: () =>
    parseArgs({
      options: {
        port: { type: "string", default: "8420" },
        listen: { type: "string", default: "127.0.0.1" },
        write: { type: "boolean", default: false },
        lease: { type: "string" }
      }
    }).values,
  catch: (error) => new Usage({ problem: error instanceof Error ? error.message : String(error) })
}).pipe(
  Effect.filterOrElse(
    ({ port }) => /^\d+$/.test(port) && Number(port) <= 65_535,
    ({ port }) => new Usage({ problem: `${JSON.stringify(port)} is not a port` })
  )
)

// Keeps trying: the page shows the loss, and the recovery.
const reconnect = Schedule.spaced("500 millis")

const embedded = Layer.unwrapScoped(
  Effect.map(EmbeddedExporter.serve, (endpoint) => ExporterConnection.layer(endpoint, { reconnect }))
)

const lab = Controller.layerFile().pipe(Layer.provide([NodeContext.layer, FetchHttpClient.layer]))

type BenchError =
  | Layer.Layer.Error<typeof embedded>
  | Layer.Layer.Error<typeof lab>
  | Layer.Layer.Error<ReturnType<typeof Lease.layer>>
  | Layer.Layer.Error<ReturnType<typeof ExporterConnection.layerEnv>>

const program = Effect.gen(function*() {
  const { lease, listen, port, write } = yield* parse
  const host = yield* Config.option(Config.nonEmptyString("JUMPSTARTER_HOST"))
  const token = yield* Config.option(Config.redacted("BENCH_PAGE_TOKEN"))
  if (!Guard.isLocal(listen) && Option.isNone(token)) {
    return yield* new Usage({
      problem: `at ${listen} others can reach the page, so it needs a token: set BENCH_PAGE_TOKEN to one`
    })
  }
  const exporter: Layer.Layer<ExporterConnection.ExporterConnection, BenchError, NodeContext.NodeContext> =
    lease !== undefined
      ? Lease.layer({
        selector: lease,
        duration: "30 minutes",
        extend: { by: "30 minutes", whenLeft: "5 minutes", upTo: "8 hours" }
      }).pipe(Layer.provide(lab))
      : Option.isSome(host)
      ? ExporterConnection.layerEnv({ reconnect })
      : embedded
  yield* Effect.gen(function*() {
    const bench = yield* Bench.make({ isWritable: write || lease === undefined && Option.isNone(host) })
    const assets = yield* Page.assets
    const { address } = yield* HttpServer.HttpServer
    const hosts = Guard.hostsOf(listen, address._tag === "TcpAddress" ? address.port : 0)
    yield* Server.serve({ bench, assets, access: { hosts, token } })
    yield* Console.log(`The bench is at http://${hosts[0]} (Ctrl-C ends it)`)
    yield* Effect.never
  }).pipe(
    Effect.scoped,
    Effect.provide(exporter),
    Effect.provide(NodeHttpServer.layer(() => createServer(), { host: listen, port: Number(port) }))
  )
})

program.pipe(Effect.provide(NodeContext.layer), NodeRuntime.runMain)
