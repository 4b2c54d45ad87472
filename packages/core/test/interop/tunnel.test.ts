// A Python exporter of a lab, through its router: the whole behaviour suite, and what becomes of a tunnel to it.
import { Opendal, Serial } from "@effect-jumpstarter/core/drivers"
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { describe, it } from "@effect/vitest"
import { assertInclude, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Device from "../../src/client/Device.ts"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import type { ControllerClient } from "../../src/controller/Controller.ts"
import * as routerTunnel from "../../src/controller/routerTunnel.ts"
import * as tunnelLine from "../../src/controller/tunnelLine.ts"
import * as DriverError from "../../src/protocol/DriverError.ts"
import type { LogEvent } from "../../src/protocol/LogEntry.ts"
import * as rpcs from "../../src/protocol/rpcs.ts"
import { behaviour } from "../suite/behaviour.ts"
import { type Ongoing, ongoing } from "../suite/faults/operations.ts"
import { within } from "../suite/faults/within.ts"
import { until } from "../suite/harness.ts"
import * as bytes from "../support/bytes.ts"
import * as leasedPython from "../support/leasedPython.ts"

const shared = leasedPython.shared()

behaviour(leasedPython.peerOf(shared))

/** A connection to the exporter, as soon as its first tunnel is open at this end, and how many tunnels it has opened. */
const connectBy = (controller: ControllerClient, lease: string) =>
  Effect.gen(function*() {
    const dialled = yield* Deferred.make<void>()
    const opened = { count: 0 }
    const router: ControllerClient["router"] = (endpoint) =>
      Effect.map(controller.router(endpoint), (channel) => ({
        ...channel,
        duplex: (rpc, options) => {
          opened.count++
          return Effect.zipLeft(channel.duplex(rpc, options), Deferred.succeed(dialled, undefined))
        }
      }))
    const channel = yield* routerTunnel.channel({ controller: { ...controller, router }, lease })
    const connecting = yield* Effect.forkScoped(ExporterConnection.fromChannel(channel, { leased: true }))
    yield* Effect.raceFirst(Deferred.await(dialled), Fiber.join(connecting))
    return { channel, connecting, opened }
  })

const connectTo = (controller: ControllerClient) =>
  Effect.gen(function*() {
    const { lab, lease: running } = yield* shared
    const lease = yield* running
    const { channel, connecting, opened } = yield* connectBy(controller, lease)
    const connection = yield* connecting
    return { lab, lease, channel, connection, opened, probe: yield* connection.driver("probe") }
  })

const connect = Effect.flatMap(shared, ({ controller }) => connectTo(controller))

type Connected = Effect.Effect.Success<typeof connect>

const logStream = rpcs.ofExporter(ExporterServiceDefinition.methods.logStream)

const calls = ongoing.filter(({ operation }) => operation !== "log stream" && operation !== "status wait")

/** Begins operations and a bare RPC, and waits until the exporter is in the middle of all of them. */
const begin = ({ channel, connection, probe }: Connected, begun: ReadonlyArray<Ongoing>) =>
  Effect.gen(function*() {
    yield* probe.call("clear_events")
    const log = yield* Effect.forkScoped(Stream.runDrain(channel.serverStreaming(logStream, new Uint8Array())))
    const fibers = yield* Effect.forEach(
      begun,
      ({ run }) => Effect.forkScoped(run({ connection, probe, tell: () => Effect.void }))
    )
    yield* until(
      "all operations run",
      probe.call("events"),
      (events) => Array.isArray(events) && begun.every(({ sign }) => events.includes(sign))
    )
    return { fibers, log }
  })

type Running = Effect.Effect.Success<ReturnType<typeof begin>>

/** What is under way fails for a lost tunnel. */
const areLost = ({ lab, lease }: Connected, { fibers, log }: Running, why: string) =>
  Effect.gen(function*() {
    const details = `the tunnel of the lease ${lease} through the router ${lab.router.target} was lost: ${why}`
    for (const fiber of fibers) {
      const error = yield* Effect.flip(Fiber.join(fiber))
      if (!DriverError.isDriverCallError(error)) return yield* Effect.die(error)
      deepStrictEqual([error._tag, error.code, error.origin], ["ConnectionLost", "UNAVAILABLE", "transport"])
      assertInclude(error.details, details)
    }
    const { code, details: said, origin, scope } = yield* Effect.flip(Fiber.join(log))
    deepStrictEqual([code, origin, scope], ["UNAVAILABLE", "transport", "connection"])
    assertInclude(said, details)
  })

describe("a Python exporter behind a router", () => {
  it.scopedLive("has the drivers of its configuration", () =>
    Effect.gen(function*() {
      const { connection } = yield* connect
      const device = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.provideService(effect, ExporterConnection.ExporterConnection, connection)
      const serial = yield* device(Device.connect(Serial.contract, "serial"))
      const console = yield* Serial.console(serial)
      yield* console.sendLine("loop")
      strictEqual((yield* console.expect(/(\w+)\n/)).groups[0], "loop")
      const storage = yield* device(Device.connect(Opendal.contract, "storage"))
      yield* Opendal.writeString(storage, "text", "grüße")
      strictEqual(yield* Opendal.readString(storage, "text"), "grüße")
    }))

  it.scopedLive("answers the end of a tunnel with its own", () =>
    Effect.gen(function*() {
      const { controller, lease: running } = yield* shared
      const lease = yield* running
      const { endpoint, token } = yield* controller.dial(lease)
      const line = yield* tunnelLine.open(yield* controller.router(endpoint), token, lease)
      line.resume().end()
      yield* Effect.async<void>((resume) => void line.once("end", () => resume(Effect.void)))
      strictEqual(line.errored, null)
    }))

  it.scopedLive("keeps its tunnels when the controller restarts", () =>
    Effect.gen(function*() {
      const connected = yield* connect
      const { lab, opened, probe } = connected
      const echo = yield* probe.stream("bytes_echo")
      const read = yield* Stream.toPull(echo.read)
      const { fibers, log } = yield* begin(connected, calls)
      yield* lab.restart
      // A new tunnel is as good as before, as soon as the exporter listens again.
      const other = yield* connect
      deepStrictEqual(yield* other.probe.call("echo", 1), [1])
      yield* echo.write(bytes.utf8("still here"))
      strictEqual(bytes.text(bytes.concat(yield* read)), "still here")
      deepStrictEqual(yield* probe.call("echo", 2), [2])
      deepStrictEqual([log, ...fibers].filter((fiber) => fiber.unsafePoll() !== null), [])
      deepStrictEqual([opened.count, other.opened.count], [1, 1])
    }))

  it.scopedLive("loses its tunnels with the router, and is dialled anew", () =>
    Effect.gen(function*() {
      const connected = yield* connect
      const { lab, opened, probe } = connected
      const running = yield* begin(connected, calls)
      yield* lab.loseRouter
      yield* Effect.ensuring(
        within("noticing", areLost(connected, running, "the router is gone")),
        Effect.orDie(lab.restoreRouter)
      )
      deepStrictEqual(yield* probe.call("echo", 1), [1])
      strictEqual(opened.count, 2)
      // The exporter has let go of everything that was under way.
      yield* until("all is released", probe.call("open_count"), (count) => count === 0)
    }))

  it.scopedLive("runs its hooks around a lease, and tells of them", () =>
    Effect.gen(function*() {
      const logging = (connection: ExporterConnection.Connection) =>
        Effect.gen(function*() {
          const seen: Array<LogEvent> = []
          yield* Effect.forkScoped(Stream.runForEach(connection.logs, (event) => Effect.sync(() => seen.push(event))))
          return (source: string, message: string) =>
            until(
              `the log has ${JSON.stringify(message)}`,
              Effect.sync(() => seen),
              (seen) =>
                seen.some((event) => event._tag === "LogEntry" && event.source === source && event.message === message)
            )
        })
      const { begin, controller, hold, lab, status } = yield* shared

      yield* Effect.scoped(Effect.gen(function*() {
        const { connection, lease } = yield* connect
        const logged = yield* logging(connection)
        strictEqual((yield* connection.endSession).ended, true)
        yield* connection.awaitStatus("AVAILABLE")
        yield* logged("AFTER_LEASE_HOOK", `cleaning up after ${leasedPython.client}`)
        yield* until(
          "the exporter has released the lease",
          lab.leases,
          (leases) => leases.some(({ ended, name }) => ended && name === lease)
        )
      }))

      const letGo = yield* hold
      yield* begin("with-a-hook")
      yield* status("BEFORE_LEASE_HOOK")
      const { connecting } = yield* connectBy(controller, "with-a-hook")
      // The router has this end of the tunnel. The exporter opens the other one after its hook.
      strictEqual(connecting.unsafePoll(), null)
      yield* letGo
      const connection = yield* connecting
      const { previous, status: now } = yield* connection.status
      deepStrictEqual([now, previous], ["LEASE_READY", Option.some("BEFORE_LEASE_HOOK")])
      const logged = yield* logging(connection)
      yield* logged("BEFORE_LEASE_HOOK", `preparing for ${leasedPython.client} under with-a-hook`)
      const power = yield* connection.driver("power")
      yield* power.call("on")
    }))

  // The last one: the process of these tests is gone then.
  it.scopedLive("is lost at once to who uses it when it is killed, and within 15 seconds to who waits for it", () =>
    Effect.gen(function*() {
      const { controller } = yield* shared
      const waiting = yield* connect
      const silent = calls.filter(({ sign }) => ["hang:open", "silent:open", "idle:open"].includes(sign))
      const waited = yield* begin(waiting, silent)
      const used = yield* connectTo(controller.within("1 second"))
      const running = yield* begin(used, calls)
      const pid = Number(yield* used.probe.call("pid"))
      process.kill(pid, "SIGKILL")
      // What is sent before the router has noticed gets lost.
      yield* Effect.repeat(Effect.ignore(Effect.timeout(used.probe.call("echo", 1), "200 millis")), {
        until: () => running.log.unsafePoll() !== null
      })
      yield* within("failing", areLost(used, running, "its other end is gone"))
      const error = yield* Effect.flip(used.probe.call("echo", 1))
      deepStrictEqual([error._tag, error.origin], ["ConnectionLost", "client"])
      assertInclude(error.details, "is not listening")
      yield* Effect.timeout(areLost(waiting, waited, "its other end is gone"), "15 seconds")
    }))
})
