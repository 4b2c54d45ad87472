// One lease in turn, from its begin to its end (protocol.md 9.2 and 13.2): the drivers are made, the hook before it runs, clients come and
// go, the hook after it runs, and the drivers are closed.
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { ControllerError } from "../controller/Controller.ts"
import type { GrpcHandlers } from "../grpc/GrpcHandler.ts"
import type { GrpcCode } from "../grpc/GrpcStatus.ts"
import type * as Exporter from "../host/Exporter.ts"
import type { ExporterStatus, HookFailed, LeaseHook } from "../protocol/ExporterStatus.ts"
import * as telemetry from "../telemetry/leases.ts"
import { closeScope } from "../util/closeScope.ts"
import * as interruptible from "../util/interruptible.ts"
import type { ExporterCalls } from "./exporterCalls.ts"
import * as hooks from "./hook.ts"
import * as pauses from "./pauses.ts"
import type { Notice } from "./presence.ts"
import * as session from "./session.ts"
import type { StatusReports } from "./statusReports.ts"

/** What happens to an exporter. */
type Event = "leased" | "session-ended" | "free"

/** What all leases of an exporter have in common. */
export interface Bench<E> {
  readonly exporter: string
  readonly secret: Redacted.Redacted
  /** Makes the drivers and hosts them. */
  readonly host: Effect.Effect<Exporter.Exporter, E, Scope.Scope>
  readonly hooks: {
    readonly [Name in LeaseHook]?: hooks.Hook<hooks.OfHook> | undefined
  }
  readonly localLogs: boolean
  readonly calls: Pick<ExporterCalls, "release" | "report">
  readonly reports: Pick<StatusReports, "become" | "latest">
  /** Lets clients of a lease in until the scope closes. */
  readonly open: (lease: string, handlers: GrpcHandlers) => Effect.Effect<void, never, Scope.Scope>
  /** Runs before the exporter acts on an event. */
  readonly observe: (event: Event) => Effect.Effect<void>
}

/** The notices of the controller. */
export interface Standing {
  /** Waits for a notice that fits. The latest one counts, too. */
  readonly when: (fits: (notice: Notice | undefined) => boolean) => Effect.Effect<Notice | undefined>
}

// A client that is there releases its lease itself. One that is not polls, so that the last status has to last for a while.
const hold = Duration.seconds(1)

// A client that has not connected yet learns of the failure only from the controller. Python's look every 5 seconds.
const holdFailure = Duration.seconds(10)

const limits = { least: 500, most: 10_000 }

// The exporter ends then, whether the controller has answered or not.
const lastBound = Duration.seconds(10)

// Controllers that are too old for exporters that release their lease.
const isTooOld = (code: GrpcCode): boolean =>
  code === "PERMISSION_DENIED" || code === "INVALID_ARGUMENT" || code === "UNAUTHENTICATED" || code === "UNIMPLEMENTED"

// The lease is over already.
const isOver = ({ code, reason }: ControllerError): boolean =>
  code === "NOT_FOUND" || code === "FAILED_PRECONDITION" || reason === "NotFound"

const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

/** Lends the drivers until the lease is over. Fails when a hook has failed that ends the exporter. */
export const lend = <E>(bench: Bench<E>, first: Notice, standing: Standing): Effect.Effect<void, HookFailed> =>
  Effect.gen(function*() {
    const { calls, exporter, localLogs, observe, reports, secret } = bench
    const lease = { name: first.lease, client: first.client, context: first.context }
    const title = `the lease ${lease.name}`
    const over = yield* Deferred.make<void>()
    const sessionEnded = yield* Deferred.make<void>()
    let host: Exporter.Exporter | undefined
    let fatal: HookFailed | undefined
    let farewell = "Exporter available after lease release"

    const become = (status: ExporterStatus, message: string) =>
      Effect.zipRight(
        Effect.suspend(() => host === undefined ? Effect.void : host.setStatus(status, message)),
        reports.become(status, message)
      )

    let isEnded = false
    const end = Effect.suspend(() => {
      if (isEnded) return Effect.void
      isEnded = true
      return Effect.uninterruptible(Effect.zipRight(observe("free"), Deferred.succeed(over, undefined)))
    })

    /** A transfer is a notice of the same lease with another client. */
    const watch = Effect.gen(function*() {
      for (;;) {
        const { client } = lease
        const notice = yield* standing.when((notice) => notice?.lease !== lease.name || notice.client !== client)
        if (notice?.lease !== lease.name) return yield* end
        lease.client = notice.client
        yield* telemetry.transferred(notice.client)
        yield* Effect.logInfo(`${title} was transferred from ${client} to ${notice.client}`)
      }
    })

    /** Does nothing when the lease is over, and ends when it ends. */
    const unlessOver = <A>(effect: Effect.Effect<A>): Effect.Effect<void> =>
      Effect.flatMap(
        Deferred.isDone(over),
        (isOver) => isOver ? Effect.void : Effect.asVoid(interruptible.raceFirst(effect, Deferred.await(over)))
      )

    // ---- the exporter's own release

    // The controller has been told another status than the latest one.
    let isReported = false

    const attempt = calls.release(lease.name).pipe(
      Effect.catchIf(({ code }) => isTooOld(code), () => {
        const { message, status } = reports.latest()
        isReported = true
        // Old controllers ignore the flag of an exporter that is available.
        return calls.report(status === "AVAILABLE" ? "AFTER_LEASE_HOOK" : status, message, true)
      }),
      Effect.catchIf(isOver, () => Effect.void)
    )

    const persisted = (failures: number): Effect.Effect<void> =>
      Effect.catchAll(attempt, (error) =>
        Effect.zipRight(
          failures === 0 ? Effect.logWarning(`${title} cannot be released yet: ${error.message}`) : Effect.void,
          Effect.zipRight(pauses.after(failures + 1, limits), persisted(failures + 1))
        ))

    const release = unlessOver(persisted(0)).pipe(
      (released) =>
        Effect.suspend(() => fatal === undefined ? released : interruptible.timeoutOption(released, lastBound)),
      Effect.zipRight(end)
    )

    // ---- hooks

    /** Returns a warning for the client, which may be empty, unless the lease ends. */
    const run = (name: LeaseHook, hook: NonNullable<Bench<E>["hooks"][LeaseHook]>, stage: hooks.Stage) =>
      Effect.gen(function*() {
        const outcome = yield* hooks.perform(name, hook, stage, become)
        if (outcome._tag === "Passed") {
          yield* telemetry.hookEnded(name, outcome.warning === "" ? "Passed" : "Warned")
          return outcome.warning
        }
        yield* telemetry.hookEnded(name, "Failed")
        if (outcome.onFailure === "exit") fatal = outcome.error
        return undefined
      })

    /** What follows a hook whose failure ends the lease. */
    const failed = (name: LeaseHook) =>
      Effect.gen(function*() {
        yield* unlessOver(Effect.sleep(holdFailure))
        if (fatal !== undefined) yield* become("OFFLINE", `Exporter shutting down due to ${name} hook failure`)
        yield* release
      })

    let isDue = false

    /** `isStopping` says that the exporter is about to end: its lease stays, for the exporter that comes next. */
    const after = (stage: hooks.Stage, isStopping: boolean, show: (message: string) => Effect.Effect<void>) =>
      Effect.gen(function*() {
        if (!isDue) return
        isDue = false
        const hook = bench.hooks.afterLease
        if (hook === undefined) return yield* show("Available for new lease")
        const warning = yield* run("afterLease", hook, stage)
        if (warning === undefined) return yield* isStopping ? Effect.void : failed("afterLease")
        yield* show(warning === "" ? "Available for new lease" : warning)
        // A client that has gone does not release it.
        if (!isStopping) yield* Effect.zipRight(unlessOver(Effect.sleep(hold)), release)
      })

    const before = (stage: hooks.Stage) =>
      Effect.gen(function*() {
        isDue = true
        const hook = bench.hooks.beforeLease
        const warning = hook === undefined ? "" : yield* run("beforeLease", hook, stage)
        if (warning === undefined) {
          isDue = false
          return yield* failed("beforeLease")
        }
        if (yield* Deferred.isDone(over)) return
        yield* become("LEASE_READY", warning === "" ? "Ready for commands" : warning)
      })

    // ---- the course of the lease

    const unhosted = (cause: Cause.Cause<E>) =>
      Effect.gen(function*() {
        const message = `the drivers could not be made: ${messageOf(cause)}`
        yield* Effect.logError(`${title} cannot be served: ${message}`, cause)
        yield* telemetry.unhosted(Exit.failCause(cause))
        yield* become("BEFORE_LEASE_HOOK_FAILED", message)
        yield* Effect.zipRight(unlessOver(Effect.sleep(holdFailure)), release)
      })

    const course = Effect.gen(function*() {
      yield* observe("leased")
      yield* interruptible.forkScoped(watch)
      const made = yield* interruptible.raceFirst(
        Effect.map(Effect.exit(bench.host), Option.some),
        Effect.as(Deferred.await(over), Option.none())
      )
      // It ended before it began.
      if (Option.isNone(made)) return
      if (Exit.isFailure(made.value)) return yield* unhosted(made.value.cause)
      const hosted = made.value.value
      host = hosted
      const handlers = session.withEnd(hosted.handlers, Deferred.succeed(sessionEnded, undefined))
      const stage: hooks.Stage = { exporter, host: hosted, handlers, lease, localLogs, secret }
      yield* Effect.addFinalizer((exit) =>
        after(stage, Exit.isInterrupted(exit), (message) =>
          Effect.sync(() => {
            farewell = message
          }))
      )
      // Clients leave before the hook after the lease.
      const entrance = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      yield* Scope.extend(bench.open(lease.name, handlers), entrance)
      yield* interruptible.forkScoped(Effect.zipRight(Deferred.await(over), closeScope(entrance, Exit.void)))
      yield* before(stage)
      yield* unlessOver(Deferred.await(sessionEnded))
      if (!(yield* Deferred.isDone(over))) {
        yield* observe("session-ended")
        yield* after(stage, false, (message) => become("AVAILABLE", message))
      }
      yield* Deferred.await(over)
    })

    // In a fiber of its own: Effect loses an interruption during a scope's finalizers if the fiber continues after them.
    const scope = yield* Scope.make()
    yield* Effect.onExit(
      Scope.extend(course, scope),
      (exit) => closeScope(scope, exit)
    )
    if (fatal !== undefined) return yield* fatal
    if (isReported || reports.latest().status !== "AVAILABLE") yield* reports.become("AVAILABLE", farewell)
  }).pipe(telemetry.served({ exporter: bench.exporter, lease: first.lease, client: first.client }))
