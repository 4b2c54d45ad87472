// What the soak does to a connection, many times over.
import { Controller, type DriverClient, Endpoint, ExporterConnection, Lease, Resource } from "@effect-jumpstarter/core"
import { Effect, Logger, LogLevel, Option, Random, Schedule, type Scope, Sink, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import * as leaseSimulation from "../test/support/leaseSimulation.ts"
import * as relay from "../test/support/relay.ts"
import { slowExporters, slowHook } from "./slowExporters.ts"

/** What a scenario gets: clients of a connection of its own. */
export interface Stage {
  /** For files and sockets. */
  readonly directory: string
  /** Where our host is, for further connections. */
  readonly address: string
  readonly bench: DriverClient.DriverClient
  readonly soak: DriverClient.DriverClient
  /** A client of the lab, which has the exporter `soak`. */
  readonly controller: Controller.ControllerClient
}

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly count: number
  /** Whether it is one transfer, of which memory may never hold more than a part. */
  readonly flat: boolean
  /** How many bytes of each repetition the host keeps on purpose. */
  readonly kept: number
  /** Does it `count` times. */
  readonly run: (stage: Stage, count: number) => Effect.Effect<void, Error, Scope.Scope>
}

class WrongResult extends Error {
  override readonly name = "WrongResult"
}

const expect = (condition: boolean, text: string): Effect.Effect<void, WrongResult> =>
  condition ? Effect.void : Effect.fail(new WrongResult(text))

const MiB = 1024 * 1024

const chunk = randomBytes(MiB / 16)

const repeat = <E, R>(count: number, concurrency: number, effect: (index: number) => Effect.Effect<unknown, E, R>) =>
  Effect.forEach(Array.from({ length: count }, (_, index) => index), effect, { concurrency, discard: true })

const send: Scenario["run"] = ({ bench }, count) =>
  Effect.gen(function*() {
    const source = Stream.take(Stream.repeatValue(chunk), count * 16)
    const handle = yield* bench.resource(Resource.source(source))
    const digest = yield* bench.call("consume", handle)
    yield* expect(typeof digest === "string" && digest.length === 64, "no digest")
  })

const receive: Scenario["run"] = ({ bench }, count) =>
  Effect.gen(function*() {
    let size = 0
    const handle = yield* bench.resource(Resource.sink(Sink.forEach((bytes: Uint8Array) =>
      Effect.sync(() => {
        size += bytes.length
      })
    )))
    yield* bench.call("produce", handle, MiB / 16, count * MiB)
    yield* expect(size === count * MiB, `${size} bytes of ${count * MiB}`)
  })

// Some are cancelled before they were sent, some while the driver is at it.
const cancelledCalls: Scenario["run"] = ({ soak }, count) =>
  Effect.gen(function*() {
    yield* repeat(count, 50, (index) => Effect.timeoutOption(soak.call("hang"), index % 5))
    const open = yield* Effect.repeat(soak.call("open"), {
      until: (open) => open === 0,
      schedule: Schedule.intersect(Schedule.spaced("10 millis"), Schedule.recurs(500))
    })
    yield* expect(open[0] === 0, "calls go on in the driver")
  })

const abandonedStreamingCalls: Scenario["run"] = ({ soak }, count) =>
  repeat(count, 20, () => Stream.runDrain(Stream.take(soak.streamingCall("ticks"), 3)))

// The driver yields as fast as it can, so a lot is under way that nobody wants any more.
const floods: Scenario["run"] = ({ bench }, count) =>
  repeat(count, 20, () => Stream.runDrain(Stream.take(bench.streamingCall("count", 1_000_000), 3)))

const byteStreams: Scenario["run"] = ({ bench }, count) =>
  repeat(count, 20, (index) =>
    Effect.scoped(Effect.gen(function*() {
      const { read, write } = yield* bench.stream("echo")
      const text = Buffer.from(String(index))
      yield* write(text)
      const echo = yield* Stream.runHead(read)
      yield* expect(Option.isSome(echo) && text.equals(echo.value), "another echo")
    })))

// They are left while bytes are on their way.
const abandonedByteStreams: Scenario["run"] = ({ bench }, count) =>
  Effect.gen(function*() {
    yield* bench.call("prepare", chunk.length, 1024 * MiB)
    yield* repeat(
      count,
      20,
      () => Effect.scoped(Effect.flatMap(bench.stream("source"), ({ read }) => Stream.runDrain(Stream.take(read, 1))))
    )
  })

const connections: Scenario["run"] = ({ address }, count) =>
  repeat(count, 1, () =>
    Effect.scoped(Effect.gen(function*() {
      const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(address))
      const bench = yield* connection.driver("bench")
      yield* bench.call("identity", 1)
    })))

// The connection is cut under a call that is under way, and the next call that comes through is on a new one.
const reconnects: Scenario["run"] = ({ address, directory }, count) =>
  Effect.gen(function*() {
    const path = join(directory, "cut")
    const { cut } = yield* relay.make(path, address)
    const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path))
    const bench = yield* connection.driver("bench")
    const soak = yield* connection.driver("soak")
    yield* repeat(count, 1, () =>
      Effect.gen(function*() {
        yield* Effect.retry(bench.call("identity", 1), {
          while: ({ code }) => code === "UNAVAILABLE",
          schedule: Schedule.intersect(Schedule.spaced("1 millis"), Schedule.recurs(5000))
        })
        yield* Effect.all([Effect.ignore(soak.call("hang")), Effect.delay(cut, "1 millis")], {
          concurrency: "unbounded"
        })
      }))
  })

// Many byte streams that send and as many that receive, all at the same time.
const bothWays: Scenario["run"] = ({ address }, count) =>
  Effect.gen(function*() {
    const pairs = 10
    const share = Math.ceil(count / pairs) * MiB
    const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(address))
    const bench = yield* connection.driver("bench")
    yield* bench.call("prepare", chunk.length, share)
    yield* repeat(2 * pairs, 2 * pairs, (index) =>
      Effect.scoped(Effect.gen(function*() {
        const { end, read, write } = yield* bench.stream(index % 2 === 0 ? "source" : "sink")
        if (index % 2 === 0) {
          const size = yield* Stream.runFold(read, 0, (size, bytes) => size + bytes.length)
          yield* expect(size === share, `${size} bytes of ${share}`)
        } else {
          for (let sent = 0; sent < share; sent += chunk.length) yield* write(chunk)
          yield* end
          const report = Number(yield* Stream.mkString(Stream.decodeText(read)))
          yield* expect(report === share, `the exporter counted ${report} bytes of ${share}`)
        }
      })))
  })

const leased = <A, E>(
  { controller }: Stage,
  use: Effect.Effect<A, E, Controller.Controller | Scope.Scope>
): Effect.Effect<A, E, Scope.Scope> =>
  Effect.provideService(use, Controller.Controller, controller).pipe(
    // Each lease has a few lines of its own.
    Logger.withMinimumLogLevel(LogLevel.Warning)
  )

const board = { exporterName: "soak", duration: "1 day" } as const

// From the request to the release, through a tunnel of its own.
const leases: Scenario["run"] = (stage, count) =>
  leased(
    stage,
    repeat(count, 1, (index) =>
      Effect.scoped(Effect.gen(function*() {
        const { connection } = yield* Lease.acquire(board)
        const bench = yield* connection.driver("bench")
        yield* expect((yield* bench.call("identity", index)) === index, "another answer")
      })))
  )

// The client is connected all the time, and waits.
const slowLeases: Scenario["run"] = (stage, count) =>
  leased(
    stage,
    repeat(count, slowExporters.length, (index) =>
      Effect.scoped(Effect.gen(function*() {
        const exporterName = slowExporters[index % slowExporters.length] ?? ""
        const { connection } = yield* Lease.acquire({ exporterName, duration: "1 day" })
        const bench = yield* connection.driver("bench")
        yield* expect((yield* bench.call("identity", index)) === index, "another answer")
      })))
  )

// Each connection to the socket of a lease is a tunnel.
const tunnels: Scenario["run"] = (stage, count) =>
  leased(
    stage,
    Effect.gen(function*() {
      const lease = yield* Lease.acquire(board)
      const endpoint = yield* lease.serveUnix
      yield* repeat(count, 50, (index) =>
        Effect.scoped(Effect.gen(function*() {
          const connection = yield* ExporterConnection.fromEndpoint(endpoint)
          const bench = yield* connection.driver("bench")
          yield* expect((yield* bench.call("identity", index)) === index, "another answer")
        })))
    })
  )

// In this process. The seed repeats it: `SIMULATION_SEED=... npm test -- lease/simulation`.
const simulation: Scenario["run"] = (_, count) =>
  Effect.gen(function*() {
    const seed = yield* Random.nextIntBetween(0, 1e9)
    const size = { ...leaseSimulation.fullSize, clients: count }
    const run = `SIMULATION_SEED=${seed} SIMULATION_CLIENTS=${count}`
    process.stderr.write(`  ${run}\n`)
    const outcome = yield* Effect.mapError(leaseSimulation.run(seed, size), (error) => new WrongResult(String(error)))
    const problems = leaseSimulation.problems(outcome, size)
    yield* expect(problems.length === 0, `${run}: ${problems.join("; ")}`)
  })

// A server on Node closes a connection on which more than a thousand calls are cancelled at more than 33 a second, and
// before Node 22 that cannot be changed.
const cancelling = (count: number): number => Number.parseInt(process.versions.node) < 22 ? Math.min(count, 700) : count

// A client on a recent Node counts what still arrives for a stream that it has left, some four frames of each here, and closes
// its own connection when there were 10,000 at more than 330 a second; that cannot be changed.
const leaving = (count: number): number => Math.min(cancelling(count), 2_000)

/** All of them, at a scale of what is usual. */
export const scenarios = (scale: number): ReadonlyArray<Scenario> => {
  const scenario = (
    name: string,
    title: string,
    count: number,
    run: Scenario["run"],
    { flat = false, kept = 0 } = {}
  ): Scenario => ({
    name,
    title,
    count: Math.max(10, Math.round(count * scale)),
    flat,
    kept,
    run
  })
  return [
    scenario("send", "MiB of a resource sent", 4096, send, { flat: true }),
    scenario("receive", "MiB of a resource received", 4096, receive, { flat: true }),
    scenario("calls", "cancelled calls", cancelling(10_000), cancelledCalls),
    scenario("streaming", "abandoned streaming calls", cancelling(10_000), abandonedStreamingCalls),
    scenario("floods", "streaming calls left while items pour in", 200, floods),
    scenario("streams", "byte streams opened and closed", 10_000, byteStreams),
    scenario("abandoned", "byte streams left while they are read", leaving(10_000), abandonedByteStreams),
    scenario("connections", "connections opened and closed", 1000, connections),
    scenario("reconnects", "connections cut", 1000, reconnects),
    scenario("duplex", "MiB both ways on one connection", 1024, bothWays),
    // The stand-in lists leases that have ended, and who had which exporter.
    scenario("leases", "leases, one after another", 2000, leases, { kept: 4096 }),
    scenario("slow", `leases whose hook takes ${slowHook}`, 10, slowLeases, { kept: 4096 }),
    scenario("tunnels", "tunnels opened and closed, 50 at a time", 2000, tunnels),
    scenario("simulation", "programs that lease in a simulated lab", leaseSimulation.fullSize.clients, simulation)
  ]
}
