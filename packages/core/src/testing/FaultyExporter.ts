/**
 * An exporter in memory that can fail in every way a real one does, and a connection to it, as one layer.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ExporterConnection from "../client/ExporterConnection.ts"
import * as Driver from "../host/Driver.ts"
import * as Exporter from "../host/Exporter.ts"
import * as callers from "../protocol/callerFrame.ts"
import * as ExporterStatus from "../protocol/ExporterStatus.ts"
import * as LogEntry from "../protocol/LogEntry.ts"
import * as GrpcChannel from "../transport/GrpcChannel.ts"
import * as interruptible from "../util/interruptible.ts"
import * as Faults from "./Faults.ts"

/**
 * A lease hook that fails (`protocol.md` 9.2).
 *
 * @since 0.1.0
 * @category models
 */
export interface FailingHook {
  /** The exporter's configured reaction to the failure; `endLease` by default. */
  readonly onFailure?: "warn" | "endLease" | "exit" | undefined
  /** The reason of the failure; `Hook failed with exit code 1` by default. */
  readonly reason?: string | undefined
  /** The output of the hook, one log line each. */
  readonly output?: ReadonlyArray<string> | undefined
  /** How long the hook runs before it fails, on Effect's clock; by default it fails at once. */
  readonly duration?: Duration.DurationInput | undefined
}

/**
 * Controls the exporter and the connection to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control extends Faults.Control {
  /**
   * Ends the exporter as a crash would, and starts a new one behind the same channel, with the same drivers, reset and
   * under new uuids, with an empty log and the initial status. RPCs in progress fail as with `dropConnection`; later
   * RPCs reach the new exporter. A restart also restores a dropped connection.
   */
  readonly restart: Effect.Effect<void, Exporter.ResetError>
  /** Sets the exporter's status. A client that polls later than several changes sees only the last one. */
  readonly setStatus: Exporter.Exporter["setStatus"]
  /** Sets the current status again `count` times, so that a client misses versions of the status. */
  readonly skipStatusVersions: (count: number) => Effect.Effect<void>
  /**
   * Lets a lease hook run and fail, with its statuses and its output in the log. The hook's `duration` and the second
   * before the lease is released pass in the background, on Effect's clock. The connection of `layer` polls the status
   * as soon as the hook has failed, so that a waiting program fails at that time. The connection sees other statuses at
   * its next poll: adjust the test clock by `statusPolling`, which is 100 ms while a program waits for a status.
   */
  readonly failHook: (hook: ExporterStatus.LeaseHook, options?: FailingHook) => Effect.Effect<void>
  /** Adds a line to the exporter's log. */
  readonly log: Exporter.Exporter["log"]
  /** Adds this number of lines to the exporter's log at once: `flood 1`, `flood 2` and so on. */
  readonly floodLogs: (lines: number) => Effect.Effect<void>
}

/**
 * Controls the exporter that `layer` provides.
 *
 * @since 0.1.0
 * @category tags
 */
export class FaultyExporter extends Context.Tag("@effect-jumpstarter/core/testing/FaultyExporter")<
  FaultyExporter,
  Control
>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface FaultyExporterOptions extends Exporter.ExporterOptions, ExporterConnection.ConnectOptions {
  /** Runs before the program connects, to plan faults of connecting itself. */
  readonly prepare?: ((control: Control) => Effect.Effect<unknown>) | undefined
}

interface Incarnation {
  readonly exporter: Exporter.Exporter
  readonly channel: GrpcChannel.Channel
  readonly scope: Scope.CloseableScope
}

type Host = Effect.Effect<Exporter.Exporter, Exporter.ResetError, Scope.Scope>

const incarnate = Effect.fnUntraced(function*(host: Host) {
  const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
  const exporter = yield* Scope.extend(host, scope)
  const channel = yield* Scope.extend(GrpcChannel.fromHandlers(exporter.handlers), scope)
  return { exporter, channel, scope } satisfies Incarnation
})

const entry = (message: string, source: LogEntry.LogSource) =>
  Effect.map(DateTime.now, (timestamp) =>
    new LogEntry.LogEntry({
      severity: "INFO",
      message,
      source,
      driverType: Option.none(),
      operation: Option.none(),
      timestamp: Option.some(timestamp),
      fields: {}
    }))

type Step = readonly [status: ExporterStatus.ExporterStatus, message: string]

// The statuses after a hook has run.
const statusesOf = (
  hook: ExporterStatus.LeaseHook,
  onFailure: NonNullable<FailingHook["onFailure"]>,
  reason: string
): ReadonlyArray<Step> => {
  const failed: Step = [
    hook === "beforeLease" ? "BEFORE_LEASE_HOOK_FAILED" : "AFTER_LEASE_HOOK_FAILED",
    `${hook} hook failed (on_failure=${onFailure}): ${reason}`
  ]
  const steps: Record<typeof onFailure, ReadonlyArray<Step>> = {
    warn: [[
      hook === "beforeLease" ? "LEASE_READY" : "AVAILABLE",
      `${ExporterStatus.hookWarningPrefix}${hook} hook warning: ${reason}`
    ]],
    endLease: [failed],
    exit: [failed, ["OFFLINE", failed[1]]]
  }
  return steps[onFailure]
}

const assemble = Effect.fnUntraced(function*(
  host: Host,
  options: Exporter.ExporterOptions,
  // Runs in the background when a hook has failed.
  hookFailed: Effect.Effect<void>
) {
  const outer = yield* Effect.scope
  const start = Scope.extend(incarnate(host), outer)
  let current: Incarnation = yield* start
  let status: Step = [options.status ?? "LEASE_READY", ""]

  // Faults belong to the connection, which outlives the exporters behind it.
  const { channel, control: faults } = yield* Faults.make({
    target: current.channel.target,
    transport: current.channel.transport,
    unary: (...call) => Effect.suspend(() => current.channel.unary(...call)),
    serverStreaming: (...call) => Stream.suspend(() => current.channel.serverStreaming(...call)),
    duplex: (...call) => Effect.suspend(() => current.channel.duplex(...call))
  })

  const setStatus: Exporter.Exporter["setStatus"] = (next, message = "") =>
    Effect.suspend(() => {
      status = [next, message]
      return current.exporter.setStatus(next, message)
    })
  const log: Exporter.Exporter["log"] = (entry) => Effect.suspend(() => current.exporter.log(entry))

  const failHook: Control["failHook"] = (hook, { duration, onFailure = "endLease", output = [], reason } = {}) =>
    Effect.gen(function*() {
      const before = hook === "beforeLease"
      const { scope } = current
      yield* before
        ? setStatus("BEFORE_LEASE_HOOK", "Running beforeLease hook")
        : setStatus("AFTER_LEASE_HOOK", "Running afterLease hooks")
      yield* Effect.forEach(
        output,
        (line) => Effect.flatMap(entry(line, before ? "BEFORE_LEASE_HOOK" : "AFTER_LEASE_HOOK"), log)
      )
      const end = Effect.forEach(
        statusesOf(hook, onFailure, reason ?? "Hook failed with exit code 1"),
        (step) => setStatus(...step),
        { discard: true }
      ).pipe(Effect.zipLeft(interruptible.forkIn(hookFailed, scope)))
      const release = onFailure === "endLease"
        ? Effect.delay(setStatus("AVAILABLE", "Available for new lease"), "1 second")
        : Effect.void
      const rest = duration === undefined ? release : Effect.zipRight(Effect.delay(end, duration), release)
      if (duration === undefined) yield* end
      yield* interruptible.forkIn(rest, scope)
    })

  const control: Control = {
    ...faults,
    restart: Effect.gen(function*() {
      yield* faults.dropConnection
      yield* Scope.close(current.scope, Exit.void)
      current = yield* start
      status = [options.status ?? "LEASE_READY", ""]
      yield* faults.restore
    }),
    setStatus,
    skipStatusVersions: (count) =>
      Effect.suspend(() => Effect.replicateEffect(current.exporter.setStatus(...status), count, { discard: true })),
    failHook,
    log,
    floodLogs: (lines) =>
      Effect.forEach(
        Array.from({ length: lines }, (_, index) => `flood ${index + 1}`),
        (line) => Effect.flatMap(entry(line, "SYSTEM"), log),
        { discard: true }
      )
  }
  return { channel, control }
})

// A restart uses the services of the first start.
const hostOf = <Child extends Driver.Driver<unknown>>(
  drivers: Readonly<Record<string, Child>>,
  options: Exporter.ExporterOptions
): Effect.Effect<Host, never, Driver.Services<Child>> =>
  Effect.map(
    Effect.context<Driver.Services<Child>>(),
    (services) =>
      Effect.mapInputContext(
        Exporter.make(Driver.composite(drivers), { localLogs: false, ...options }),
        (started: Context.Context<Scope.Scope>) => Context.merge(services, Context.pick(Scope.Scope)(started))
      )
  )

/**
 * Makes the exporter and a channel to it for faults, without connecting.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Child extends Driver.Driver<unknown> = never>(
  drivers: Readonly<Record<string, Child>>,
  options: Exporter.ExporterOptions = {}
) => Effect.flatMap(hostOf(drivers, options), (host) => assemble(host, options, Effect.void))

/**
 * Hosts drivers by name, and connects to them through a channel that a test can inject faults into. Like
 * `ExporterTest`, this layer uses the real host and the real client, so a program sees the same errors as with a real
 * exporter.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Power } from "@effect-jumpstarter/core/drivers"
 * import { Faults, FaultyExporter, PowerTest } from "@effect-jumpstarter/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * class BoardPower extends Device.Tag("acme/BoardPower", Power.contract)<BoardPower>() {}
 *
 * const test = Effect.gen(function*() {
 *   const exporter = yield* FaultyExporter.FaultyExporter
 *   const power = yield* BoardPower
 *   yield* exporter.next({ driver: "power", method: "off" }, Faults.drop("after", { downFor: "1 second" }))
 *   const error = yield* Effect.flip(power.off()) // ConnectionLost: did the board switch off or not?
 *   yield* exporter.restart // the drivers have other uuids now
 *   return error
 * })
 *
 * const program = Effect.gen(function*() {
 *   const supply = yield* PowerTest.make()
 *   const bench = FaultyExporter.layer({ power: supply.driver })
 *   return yield* Effect.provide(test, Layer.provideMerge(BoardPower.layer("power"), bench))
 * })
 * ```
 */
export const layer = <Child extends Driver.Driver<unknown> = never, E = never, R = never>(
  drivers: Readonly<Record<string, Child>> | Effect.Effect<Readonly<Record<string, Child>>, E, R>,
  options: FaultyExporterOptions = {}
): Layer.Layer<
  FaultyExporter | ExporterConnection.ExporterConnection | GrpcChannel.GrpcChannel,
  ExporterConnection.ConnectError | Exporter.ResetError | E,
  Exclude<R, Scope.Scope> | Driver.Services<Child>
> => {
  const caller = callers.of()
  return Layer.scopedContext(Effect.gen(function*() {
    let ask: Effect.Effect<void> = Effect.void
    const { channel, control } = yield* assemble(
      yield* hostOf(Effect.isEffect(drivers) ? yield* drivers : drivers, options),
      options,
      Effect.suspend(() => ask)
    )
    if (options.prepare !== undefined) yield* options.prepare(control)
    const connection = yield* callers.on(caller, () => ExporterConnection.fromChannel(channel, options))
    // A lost connection is not made again.
    ask = Effect.flatMap(
      connection.state,
      (state) => state._tag === "Ready" ? Effect.ignore(connection.status) : Effect.void
    )
    return Context.make(FaultyExporter, control).pipe(
      Context.add(ExporterConnection.ExporterConnection, connection),
      Context.add(GrpcChannel.GrpcChannel, channel)
    )
  }))
}
