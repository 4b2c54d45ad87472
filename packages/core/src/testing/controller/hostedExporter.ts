// An exporter of the stand-in that lends its drivers, as `jmp run` does (`protocol.md` 9.2 and 13.2). It hosts the drivers once, for all
// leases.
import {
  ControllerServiceDefinition,
  type DriverInstanceReport,
  ExporterServiceDefinition
} from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as routerTunnel from "../../controller/routerTunnel.ts"
import * as Endpoint from "../../grpc/Endpoint.ts"
import { GrpcHandler, type GrpcHandlers } from "../../grpc/GrpcHandler.ts"
import type { GrpcStatusError } from "../../grpc/GrpcStatus.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import type * as Driver from "../../host/Driver.ts"
import * as Exporter from "../../host/Exporter.ts"
import * as hostLog from "../../host/log.ts"
import * as exporterStatus from "../../protocol/ExporterStatus.ts"
import * as rpcs from "../../protocol/rpcs.ts"
import * as stub from "../../protocol/stub.ts"
import * as GrpcChannel from "../../transport/GrpcChannel.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as leaseLog from "./leaseLog.ts"
import * as times from "./times.ts"

/**
 * Options of an exporter that lends drivers.
 *
 * @since 0.1.0
 * @category models
 */
export interface HostOptions {
  /** The labels by which clients select it. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Whether it can be leased; true unless given. */
  readonly enabled?: boolean | undefined
  /** The message of the day. */
  readonly motd?: string | undefined
  /** Runs before each lease; what it logs is in the exporter's log. If it fails, the exporter does not become ready for this lease. */
  readonly beforeLease?: Effect.Effect<void, Error> | undefined
  /** Runs once after each lease: when the client ends its session, or else when the lease has ended. */
  readonly afterLease?: Effect.Effect<void, Error> | undefined
}

/** Who the exporter is, and how it reaches the services. */
export interface Place {
  readonly namespace: string
  readonly name: string
  readonly token: Redacted.Redacted
  readonly controller: GrpcChannel.Channel
  readonly router: GrpcChannel.Channel
}

/** What happens to an exporter. */
export type Event = "leased" | "session-ended" | "free"

const { methods } = ControllerServiceDefinition

const { endSession, getReport, logStream } = ExporterServiceDefinition.methods

// Before a stream that ended is opened again, and before a report is repeated.
const pause = Duration.seconds(1)

const goodbye = Duration.seconds(10)

// There is one router, whatever its address.
const theRouter = Endpoint.tls("router", 443)

/** The calls of the exporter at its controller. */
const callsOf = ({ controller, name, namespace, token }: Place) => {
  const metadata = Metadata.make({
    authorization: `Bearer ${Redacted.value(token)}`,
    "jumpstarter-kind": "Exporter",
    "jumpstarter-namespace": namespace,
    "jumpstarter-name": name
  })
  const ask = <Request, Response>(method: stub.Method<Request, Response>, request: Request) =>
    stub.unary(controller, rpcs.of(ControllerServiceDefinition, method), "controller", method, request, { metadata })
  const stream = <Request, Response>(
    { name, requestType, responseType }: stub.Method<Request, Response>,
    request: Request
  ): Stream.Stream<Response, GrpcStatusError> => {
    const rpc = rpcs.of(ControllerServiceDefinition, { name })
    return Stream.mapEffect(
      controller.serverStreaming(rpc, requestType.encode(request).finish(), { metadata }),
      (bytes) => stub.decode({ rpc, target: controller.target }, "controller", responseType, bytes)
    )
  }
  return {
    register: (labels: Readonly<Record<string, string>>, reports: Array<DriverInstanceReport>) =>
      ask(methods.register, { labels, reports }),
    unregister: (reason: string) => ask(methods.unregister, { reason }),
    report: (status: exporterStatus.ExporterStatus, message: string) =>
      ask(methods.reportStatus, { status: exporterStatus.toNumber(status), message, releaseLease: undefined }),
    status: stream(methods.status, {}),
    listen: (leaseName: string) => stream(methods.listen, { leaseName })
  }
}

const messageOf = (cause: Cause.Cause<Error>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

/**
 * Hosts the drivers, registers, and serves the clients that lease the exporter, until the scope closes. The exporter is online when this
 * returns its handlers. `observe` runs before the exporter acts on an event.
 */
export const make = <R>(
  place: Place,
  root: Driver.Driver<R>,
  { afterLease, beforeLease, motd }: HostOptions,
  observe: (event: Event) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<GrpcHandlers, Exporter.ResetError, R | Scope.Scope> =>
  Effect.gen(function*() {
    const labels = { "jumpstarter.dev/name": place.name }
    const host = yield* Exporter.make(root, { labels, motd, localLogs: false, status: "AVAILABLE" })
    const calls = callsOf(place)

    /** Repeats what fails or ends: the controller may be down, or gone for now. */
    const forever = <E>(effect: Effect.Effect<unknown, E>): Effect.Effect<never> =>
      Effect.forever(Effect.zipRight(Effect.ignoreLogged(effect), Effect.sleep(pause)))

    // ---- statuses

    let latest: readonly [exporterStatus.ExporterStatus, string] = ["AVAILABLE", "Exporter registered and available"]
    const reports = yield* Queue.unbounded<typeof latest>()
    const become = (status: exporterStatus.ExporterStatus, message: string) =>
      Effect.zipRight(
        host.setStatus(status, message),
        Effect.suspend(() => {
          latest = [status, message]
          return reports.offer(latest)
        })
      )

    // ---- hooks

    /** Runs a hook, and returns whether it succeeded. The lines that it logs go into the exporter's log. */
    const succeeds = (
      hook: Effect.Effect<void, Error>,
      name: exporterStatus.LeaseHook,
      status: "BEFORE_LEASE_HOOK" | "AFTER_LEASE_HOOK",
      message: string
    ) =>
      Effect.gen(function*() {
        yield* become(status, message)
        const logger = hostLog.makeLogger(status, (entry) => Effect.runSync(host.log(hostLog.toEntry(entry))))
        const exit = yield* Effect.exit(Effect.locally(hook, FiberRef.currentLoggers, HashSet.make(logger)))
        if (Exit.isSuccess(exit)) return true
        yield* become(`${status}_FAILED`, `${name} hook failed (on_failure=endLease): ${messageOf(exit.cause)}`)
        return false
      })

    const before = Effect.gen(function*() {
      const isFine = beforeLease === undefined
        || (yield* succeeds(beforeLease, "beforeLease", "BEFORE_LEASE_HOOK", "Running beforeLease hook"))
      if (isFine) yield* become("LEASE_READY", "Ready for commands")
      return isFine
    })

    const after = Effect.gen(function*() {
      const isFine = afterLease === undefined
        || (yield* succeeds(afterLease, "afterLease", "AFTER_LEASE_HOOK", "Running afterLease hooks"))
      if (isFine) yield* become("AVAILABLE", "Available for new lease")
    })

    // ---- sessions

    /** Ends the session of the current lease. */
    let end: Effect.Effect<void> | undefined

    /** When the current lease began. */
    let begun = 0

    const handlers = new Map(host.handlers)
    const log = handlers.get(rpcs.ofExporter(logStream))
    if (log !== undefined) handlers.set(rpcs.ofExporter(logStream), leaseLog.since(log, () => begun))
    handlers.set(
      rpcs.ofExporter(endSession),
      GrpcHandler.Unary({
        handle: () =>
          Effect.map(
            Effect.suspend(() => end === undefined ? Effect.succeed("No active lease context") : Effect.as(end, "")),
            (message) => endSession.responseType.encode({ success: message === "", message }).finish()
          )
      })
    )

    /** Connects the clients of a lease, until the scope closes. */
    const connections = (lease: string) =>
      Effect.gen(function*() {
        // The server ends its connections before this.
        const tunnels = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
        const accept = yield* routerTunnel.accept(handlers, { router: () => Effect.succeed(place.router), lease })
        const dialled = Stream.runForEach(calls.listen(lease), ({ routerToken }) =>
          accept({ endpoint: theRouter, token: Redacted.make(routerToken) }).pipe(
            Effect.ignoreLogged,
            interruptible.forkIn(tunnels)
          ))
        yield* interruptible.forkScoped(forever(dialled))
      })

    /** Serves a lease until it is over, which `over` returns from. */
    const held = <A>(lease: string, over: Effect.Effect<A>) =>
      Effect.gen(function*() {
        begun = yield* times.now
        yield* observe("leased")
        const work = yield* Effect.scope
        const prepared = yield* Deferred.make<boolean>()
        const ended = yield* Effect.cached(Effect.flatMap(Deferred.await(prepared), (isFine) =>
          isFine
            ? after
            : Effect.void))
        const served = Effect.gen(function*() {
          yield* connections(lease)
          yield* interruptible.forkIn(Deferred.complete(prepared, before), work)
          yield* Effect.acquireRelease(
            Effect.sync(() => {
              end = Effect.asVoid(Effect.zipRight(observe("session-ended"), interruptible.forkIn(ended, work)))
            }),
            () =>
              Effect.sync(() => {
                end = undefined
              })
          )
          return yield* Effect.zipLeft(over, observe("free"))
        })
        // In a fiber of its own: Effect loses an interruption during a scope's finalizers if the fiber continues after them.
        const next = yield* Effect.flatMap(interruptible.forkIn(Effect.scoped(served), work), Fiber.join)
        yield* ended
        if (latest[0] !== "AVAILABLE") {
          yield* become("AVAILABLE", "Exporter available after lease release")
        }
        return next
      }).pipe(Effect.scoped)

    // ---- leases

    // Only the latest one counts: a lease that ended before it was served is skipped.
    const notices = yield* Queue.sliding<string | undefined>(1)
    const otherThan = (lease: string | undefined) => Effect.repeat(notices.take, { until: (next) => next !== lease })
    const serve = (lease: string | undefined): Effect.Effect<never> =>
      Effect.flatMap(lease === undefined ? otherThan(lease) : held(lease, otherThan(lease)), serve)

    const self = yield* GrpcChannel.fromHandlers(host.handlers)
    const report = yield* stub.unary(self, rpcs.ofExporter(getReport), "exporter", getReport, {}).pipe(
      // Nothing is between the two.
      Effect.orDie
    )
    const online = yield* Deferred.make<void>()
    const registered = Effect.gen(function*() {
      yield* calls.register(labels, report.reports)
      yield* Effect.suspend(() => calls.report(...latest))
      yield* Stream.runForEach(calls.status, ({ leaseName, leased }) =>
        Effect.zipRight(notices.offer(leased ? leaseName : undefined), Deferred.succeed(online, undefined)))
    })
    const repeated = Effect.flatMap(reports.take, (report) =>
      Effect.retry(calls.report(...report), Schedule.spaced(pause)))

    yield* Effect.addFinalizer(() =>
      calls.report("OFFLINE", "Exporter shutting down").pipe(
        Effect.zipRight(calls.unregister("Exporter shutdown")),
        interruptible.timeoutOption(goodbye),
        Effect.ignoreLogged
      )
    )
    yield* interruptible.forkScoped(forever(registered))
    yield* Deferred.await(online)
    yield* interruptible.forkScoped(Effect.forever(repeated))
    yield* interruptible.forkScoped(serve(undefined))
    return handlers
  })
