// From the exporter of a lease to a connection on which calls can be made.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as connecting from "../client/connecting.ts"
import type { ConnectError, Connection } from "../client/ExporterConnection.ts"
import { hookSources } from "../client/hookLog.ts"
import type { Session } from "../client/session.ts"
import { type ControllerClient, ControllerError, type ExporterInfo } from "../controller/Controller.ts"
import { type ExporterStatus, HookFailed, type StatusNotReached } from "../protocol/ExporterStatus.ts"
import type * as GrpcChannel from "../transport/GrpcChannel.ts"
import { closeScope } from "../util/closeScope.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import * as leasedChannel from "./leasedChannel.ts"
import * as pauses from "./pauses.ts"
import type { Terms } from "./terms.ts"
import type { Watch } from "./watch.ts"

/** Opens a channel to the exporter of a lease, which dials when something is sent. */
export type Dial = (
  controller: ControllerClient,
  lease: string
) => Effect.Effect<GrpcChannel.Channel, never, Scope.Scope>

export type OpenError = ControllerError | ConnectError | HookFailed | StatusNotReached

export interface Opened {
  readonly exporter: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly connection: Connection
}

// A dial that comes too early is answered half a second later. One that comes later than this shows why the exporter does nothing.
const preparation = Duration.seconds(10)

/** Waits until the exporter has begun to prepare itself for the lease. */
const prepared = (controller: ControllerClient, exporter: string) =>
  Effect.flatMap(monotonicClock.currentMillis, (begun) => {
    let looks = 0
    const look = Effect.gen(function*() {
      const seen = yield* controller.exporter(exporter)
      const elapsed = Duration.millis((yield* monotonicClock.currentMillis) - begun)
      if (seen.status !== "AVAILABLE" || Duration.greaterThanOrEqualTo(elapsed, preparation)) return Option.some(seen)
      yield* Effect.sleep(pauses.after(++looks, elapsed))
      return Option.none<ExporterInfo>()
    })
    return Effect.map(
      Effect.repeat(look, { until: (seen): seen is Option.Some<ExporterInfo> => Option.isSome(seen) }),
      ({ value }) => value
    )
  })

// A failed dial fails the RPC that needed it.
const dialError = (error: ConnectError): ControllerError | undefined => {
  for (let { cause } = error; cause instanceof Error; { cause } = cause) {
    if (cause instanceof ControllerError) return cause
  }
  return undefined
}

// Unless given: for as long as the lease lives.
const defaultReconnect = Schedule.exponential("100 millis").pipe(Schedule.union(Schedule.spaced("5 seconds")))

const betweenAttempts = Duration.seconds(1)

/** If the effect fails, nothing that it acquired stays in the scope. */
export const attempted = <A, E, R>(
  effect: Effect.Effect<A, E, R | Scope.Scope>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      return yield* Effect.onExit(
        restore(Scope.extend(effect, scope)),
        (exit) => Exit.isSuccess(exit) ? Effect.void : closeScope(scope, exit)
      )
    })
  )

/** Connects to the exporter of a lease, and waits until it is ready. Meanwhile the log of its hook is forwarded. */
export const open = (
  { connect: options, controller, name: lease }: Terms,
  exporterName: string,
  watch: Watch,
  dial: Dial
): Effect.Effect<Opened, OpenError, Scope.Scope> =>
  Effect.gen(function*() {
    const { labels, name, status } = yield* prepared(controller, exporterName)
    const connect = Effect.flatMap(
      dial(controller, lease),
      (channel) =>
        // The controller has already warned of a test clock.
        connecting.connect(Effect.succeed(leasedChannel.make(channel, watch)), channel.target, {
          ...options,
          reconnect: options.reconnect ?? defaultReconnect,
          leased: true,
          leaseEnd: watch.end,
          metadata: { name, lease: Option.some(lease), labels }
        }, { caller: undefined })
    )

    // The controller dials no exporter whose hook has failed.
    const hookFailed = ({ details }: ControllerError) =>
      Effect.flatMap(controller.exporter(name), ({ status, statusMessage }) =>
        new HookFailed({
          address: `lease ${lease}`,
          hook: status === "AFTER_LEASE_HOOK_FAILED" ? "afterLease" : "beforeLease",
          status,
          details: statusMessage === "" ? details : statusMessage,
          logs: []
        }))

    const isHook = (status: ExporterStatus) => status === "BEFORE_LEASE_HOOK"

    // Python's exporter accepts connections at once, and answers on them after its beforeLease hook. So the limit of the handshake counts
    // for attempts that begin after the hook.
    const attempt = (duringHook: boolean): Effect.Effect<Session, OpenError, Scope.Scope> =>
      Effect.catchTag(attempted(connect), "ConnectError", (error) => {
        const undialled = dialError(error)
        if (undialled !== undefined) return undialled.reason === "HookFailed" ? hookFailed(undialled) : undialled
        if (!duringHook || (error.reason !== "Timeout" && error.reason !== "Unreachable")) return error
        return Effect.sleep(betweenAttempts).pipe(
          Effect.zipRight(controller.exporter(name)),
          Effect.flatMap(({ status }) => attempt(isHook(status)))
        )
      })

    const { connection, status: first } = yield* attempt(isHook(status))
    if (first.status !== "LEASE_READY") {
      yield* Effect.scoped(Effect.zipRight(connection.logStream({ sources: hookSources }), connection.awaitReady))
    }
    return { exporter: { name, labels }, connection }
  })
