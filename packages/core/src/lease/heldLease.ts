// Holds a lease from its request to its release, and releases everything that was acquired for it, whatever happens.
import * as Cause from "effect/Cause"
import type * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Connection } from "../client/ExporterConnection.ts"
import { hookSources } from "../client/hookLog.ts"
import type { ControllerError } from "../controller/Controller.ts"
import * as routerTunnel from "../controller/routerTunnel.ts"
import type * as Endpoint from "../grpc/Endpoint.ts"
import type { LeaseEnded } from "../protocol/LeaseEnded.ts"
import * as telemetry from "../telemetry/leases.ts"
import type { GrpcServerError } from "../transport/GrpcServer.ts"
import { closeScope } from "../util/closeScope.ts"
import * as interruptible from "../util/interruptible.ts"
import * as acquisition from "./acquisition.ts"
import * as childEnvironment from "./childEnvironment.ts"
import * as endings from "./endings.ts"
import * as lastWords from "./lastWords.ts"
import { LeaseError } from "./leaseError.ts"
import * as leaseSocket from "./leaseSocket.ts"
import { LeaseState } from "./LeaseState.ts"
import * as opening from "./opening.ts"
import * as progress from "./progress.ts"
import * as reading from "./reading.ts"
import { Release } from "./release.ts"
import type { Terms } from "./terms.ts"
import * as watches from "./watch.ts"

/**
 * A lease whose exporter is connected and ready.
 *
 * @since 0.1.0
 * @category models
 */
export interface HeldLease {
  readonly name: string
  /** The leased exporter, with the labels by which the controller knows it. */
  readonly exporter: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly connection: Connection
  /** The current state and its changes, until the lease has ended. */
  readonly changes: Stream.Stream<LeaseState>
  /** Waits for the end of the lease. */
  readonly ended: Effect.Effect<LeaseEnded>
  /** Adds to the duration, and returns when the lease ends now, by this machine's clock. */
  readonly extend: (
    by: Duration.DurationInput
  ) => Effect.Effect<DateTime.Utc, LeaseEnded | LeaseError | ControllerError>
  /**
   * Serves a Unix socket until the scope closes or the lease ends, so that other programs use the lease: `j`, pytest, a worker of a test
   * runner. Only this user can connect. Each connection reaches the exporter through a tunnel of its own.
   */
  readonly serveUnix: Effect.Effect<Endpoint.Unix, GrpcServerError, Scope.Scope>
  /**
   * The variables that `jmp shell` would give its child, for a program that is to use the socket (`protocol.md` 10.6). The drivers that
   * Python may load are those of the client's configuration.
   */
  readonly environment: (socket: Endpoint.Unix) => Readonly<Record<string, string>>
  /**
   * Ends the session, waits for the afterLease hook, and releases the lease. Closing the scope of the lease does the same. Does
   * nothing the second time. A lease that was attached is only disconnected.
   */
  readonly release: Effect.Effect<void, ControllerError>
}

/**
 * What acquiring a lease fails with: there is no lease, a request to the controller failed, or its exporter cannot be connected or
 * does not become ready.
 *
 * @since 0.1.0
 * @category errors
 */
export type AcquireError = LeaseError | ControllerError | opening.OpenError

/**
 * A lease that is being acquired.
 *
 * @since 0.1.0
 * @category models
 */
export interface PendingLease {
  readonly name: string
  /** The current state and its changes, until the lease has ended. */
  readonly changes: Stream.Stream<LeaseState>
  /** Waits until the exporter is connected and ready. */
  readonly acquired: Effect.Effect<HeldLease, AcquireError>
}

const betweenLooks = Duration.seconds(1)

const sessionBound = Duration.seconds(5)

/** Waits until the exporter is free again. An exporter with a hook may release the lease itself after it. */
const afterLease = ({ afterLease, controller, name, title }: Terms, connection: Connection) => {
  const isOver = Effect.map(
    controller.lease(name),
    (lease) => reading.of(lease, controller.config.name)._tag === "Over"
  )
  const released = Effect.repeat(
    Effect.zipRight(Effect.sleep(betweenLooks), Effect.orElseSucceed(isOver, () => false)),
    { until: (isOver) => isOver }
  )
  // `readyTimeout` is for the beginning of a lease.
  const free = Effect.retry(connection.awaitStatus("AVAILABLE"), {
    while: (error) => error._tag === "StatusNotReached" && error.reason === "Timeout"
  })
  return interruptible.raceFirst(Effect.asVoid(free), Effect.asVoid(released)).pipe(
    interruptible.timeoutFail({
      duration: afterLease,
      onTimeout: () =>
        new Cause.TimeoutException(`the afterLease hook did not end within ${Duration.format(afterLease)} (afterLease)`)
    }),
    Effect.catchAll((error) => Effect.logWarning(`${title} is released: ${error.message}`)),
    Effect.interruptible
  )
}

/** Ends the session and, unless the program was interrupted, waits for the hook, whose log is forwarded. */
const sessionEnded = (terms: Terms, connection: Connection, exit: Exit.Exit<unknown, unknown>) =>
  Effect.gen(function*() {
    if (!Exit.isInterrupted(exit)) yield* connection.logStream({ backlog: false, sources: hookSources })
    const { ended } = yield* interruptible.timeoutFail(connection.endSession, {
      duration: sessionBound,
      onTimeout: () => new Cause.TimeoutException(`no answer within ${Duration.format(sessionBound)}`)
    })
    if (ended && !Exit.isInterrupted(exit)) yield* afterLease(terms, connection)
  }).pipe(
    Effect.scoped,
    Effect.catchAll((error) => Effect.logWarning(`the session of ${terms.title} could not be ended: ${error.message}`))
  )

/**
 * Requests a lease, which is released with the scope, and connects to its exporter as soon as it has one and `isWanted` has ended, which
 * is run with the exporter's name.
 */
export const request = (
  terms: Terms,
  dial: opening.Dial,
  isWanted: (exporter: string) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<PendingLease, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { controller, creates, name, requested, title } = terms
    const release = new Release(controller, name)
    const states = yield* progress.make
    const over = yield* Deferred.make<LeaseEnded>()
    const outcome = yield* Deferred.make<HeldLease, AcquireError>()
    // Of what needs the lease.
    const life = yield* Scope.make()
    let connection: Connection | undefined
    let holding: telemetry.Holding | undefined
    const parent = yield* Effect.option(Effect.currentParentSpan)

    const become = (end: LeaseEnded) =>
      Effect.gen(function*() {
        if (!(yield* Deferred.succeed(over, end))) return
        yield* states.become(LeaseState.Ended({ end }))
        if (holding !== undefined) yield* holding.ended(end.how)
      })

    /** The lease has ended by itself: there is no session to end, and nothing to release. */
    const lost = (end: LeaseEnded) =>
      Effect.gen(function*() {
        connection = undefined
        yield* release.forget
        yield* become(end)
        yield* Effect.logWarning(end.message)
      })

    const work = yield* Scope.fork(life, ExecutionStrategy.sequential)
    let isOpen = true
    let knownEnd: watches.Watch["end"] = () => undefined

    const left = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.gen(function*() {
        if (!isOpen) return
        isOpen = false
        yield* closeScope(work, exit)
        yield* Deferred.interrupt(outcome)
        if (connection === undefined) return
        const end = knownEnd()
        // A call may have learned it just now.
        if (end !== undefined) yield* lost(end)
        else if (creates !== undefined) yield* sessionEnded(terms, connection, exit)
      }).pipe(Effect.ensuring(closeScope(life, exit)))

    const term = Duration.format(Duration.decode(creates?.duration ?? 0))

    const unreleased = (error: ControllerError) =>
      Effect.logWarning(
        `${title} could not be released and keeps its exporter until its ${term} are over: ${error.message}; ` +
          `\`jmp delete leases ${name}\` releases it`
      )

    const killed = `${title} was not released and keeps its exporter until its ${term} are over; ` +
      `\`jmp delete leases ${name}\` releases it`

    const released = Effect.zipRight(
      release.run,
      Effect.flatMap(endings.released(name), become)
    )

    const turn = yield* Effect.makeSemaphore(1)

    /** Ends the session and all that needs the lease, and releases the lease, whatever becomes of the others. */
    const end = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void, ControllerError> =>
      Effect.uninterruptible(
        turn.withPermits(1)(
          Effect.flatMap(Effect.exit(left(exit)), (outcome) => Effect.zipRight(released, outcome))
        )
      ).pipe((end) => creates === undefined ? end : lastWords.during(end, killed))

    /** Closes what was acquired when the lease ends, or the scope before it. */
    const whileHeld = <A, E>(acquisition: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
      Effect.gen(function*() {
        const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
        const acquired = yield* Scope.extend(acquisition, scope)
        yield* interruptible.forkScoped(Effect.zipRight(Deferred.await(over), Scope.close(scope, Exit.void)))
        return acquired
      })

    const ended = (end: LeaseEnded) =>
      new LeaseError({ reason: "Ended", lease: name, request: requested, details: end.message, cause: end })

    const held = Effect.gen(function*() {
      const acquired = yield* acquisition.acquire(terms, { release, progress: states })
      holding = yield* telemetry.hold({ lease: name, exporter: acquired.exporter, since: acquired.asked, parent })
      const watch = yield* watches.make(terms, acquired, holding)
      knownEnd = watch.end
      const session = yield* Scope.fork(life, ExecutionStrategy.sequential)
      const noticed = Effect.flatMap(watch.run, (end) =>
        Effect.gen(function*() {
          // While it is being released, its end is no news.
          if (!isOpen) return
          yield* lost(end)
          yield* Scope.close(session, Exit.void)
        }))
      yield* interruptible.forkScoped(noticed)
      const opened = yield* interruptible.raceFirst(
        Effect.zipRight(
          isWanted(acquired.exporter),
          Scope.extend(opening.open(terms, acquired.exporter, watch, dial), session)
        ),
        Effect.flatMap(Deferred.await(over), ended)
      ).pipe(
        Effect.mapError((error) => {
          const end = watch.end()
          return end === undefined ? error : ended(end)
        })
      )
      connection = opened.connection
      yield* states.become(LeaseState.Connected())
      const lease: HeldLease = {
        name,
        exporter: opened.exporter,
        connection: opened.connection,
        changes: states.changes,
        ended: Deferred.await(over),
        extend: watch.extend,
        serveUnix: Effect.flatMap(routerTunnel.lines({ controller, lease: name }), (open) =>
          whileHeld(leaseSocket.serve(title, open))),
        environment: (socket) =>
          childEnvironment.of({ name, exporter: opened.exporter }, controller.config, socket),
        release: end(Exit.void)
      }
      return lease
    }).pipe(
      // The program did not get it, so it is released now, and not when the scope closes.
      Effect.tapErrorCause(() => Effect.catchAll(released, unreleased)),
      Effect.annotateLogs({ lease: name }),
      telemetry.requested(name),
      Scope.extend(life)
    )

    // Before anything is sent.
    yield* Effect.addFinalizer((exit) => Effect.catchAll(end(exit), unreleased))
    yield* interruptible.forkIn(Deferred.complete(outcome, held), work)

    return { name, changes: states.changes, acquired: Deferred.await(outcome) }
  })

/** The same, with the exporter connected and ready. If it fails, the lease is released at once. */
export const acquire = (terms: Terms, dial: opening.Dial): Effect.Effect<HeldLease, AcquireError, Scope.Scope> =>
  opening.attempted(Effect.flatMap(request(terms, dial), ({ acquired }) => acquired))
