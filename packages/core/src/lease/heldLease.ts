// A lease from its request to its release: what is made for it is released with it, on every way out.
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Connection } from "../client/ExporterConnection.ts"
import type { ControllerClient, ControllerError } from "../controller/Controller.ts"
import type { LeaseEnded } from "../protocol/LeaseEnded.ts"
import * as interruptible from "../util/interruptible.ts"
import * as acquisition from "./acquisition.ts"
import * as endings from "./endings.ts"
import { LeaseError } from "./leaseError.ts"
import { describe, type LeaseRequest } from "./leaseRequest.ts"
import { LeaseState } from "./LeaseState.ts"
import * as opening from "./opening.ts"
import * as progress from "./progress.ts"
import * as reading from "./reading.ts"
import { Release } from "./release.ts"
import * as watches from "./watch.ts"

export interface HeldLease {
  readonly name: string
  readonly exporter: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly connection: Connection
  readonly changes: Stream.Stream<LeaseState>
  readonly ended: Effect.Effect<LeaseEnded>
  readonly extend: watches.Watch["extend"]
  readonly release: Effect.Effect<void, ControllerError>
}

export type AcquireError = LeaseError | ControllerError | opening.OpenError

export interface PendingLease {
  readonly name: string
  readonly changes: Stream.Stream<LeaseState>
  readonly acquired: Effect.Effect<HeldLease, AcquireError>
}

const betweenLooks = Duration.seconds(1)

const defaultHook = Duration.minutes(5)

/** Asks for a lease, which is released with the scope, and connects to its exporter as soon as it has one. */
export const request = (
  controller: ControllerClient,
  request: LeaseRequest,
  dial: opening.Dial
): Effect.Effect<PendingLease, never, Scope.Scope> =>
  Effect.gen(function*() {
    const name: string = crypto.randomUUID()
    const release = new Release(controller, name)
    const states = yield* progress.make
    const over = yield* Deferred.make<LeaseEnded>()
    const outcome = yield* Deferred.make<HeldLease, AcquireError>()
    // Of what needs the lease.
    const life = yield* Scope.make()
    let connection: Connection | undefined

    const become = (end: LeaseEnded) =>
      Effect.zipRight(Deferred.succeed(over, end), states.become(LeaseState.Ended({ end })))

    const isOver = Effect.map(
      controller.lease(name),
      (lease) => reading.of(lease, controller.config.name)._tag === "Over"
    )

    // An exporter with a hook releases the lease after it.
    const givenBack = Effect.repeat(
      Effect.zipRight(Effect.sleep(betweenLooks), Effect.orElseSucceed(isOver, () => false)),
      {
        until: (isOver) => isOver
      }
    )

    const hookLimit = Duration.decode(request.afterLease ?? defaultHook)

    const afterLease = (connection: Connection) =>
      interruptible.raceFirst(Effect.asVoid(connection.awaitStatus("AVAILABLE")), Effect.asVoid(givenBack)).pipe(
        interruptible.timeoutFail({
          duration: hookLimit,
          onTimeout: () =>
            new Cause.TimeoutException(
              `the afterLease hook did not end within ${Duration.format(hookLimit)} (afterLease)`
            )
        }),
        Effect.catchAll((error) => Effect.logWarning(`the lease ${name} is released: ${error.message}`)),
        Effect.interruptible
      )

    const sessionEnded = (connection: Connection, exit: Exit.Exit<unknown, unknown>) =>
      connection.endSession.pipe(
        interruptible.timeoutFail({
          duration: "5 seconds",
          onTimeout: () => new Cause.TimeoutException("no answer within 5s")
        }),
        Effect.flatMap(({ ended }) => ended && !Exit.isInterrupted(exit) ? afterLease(connection) : Effect.void),
        Effect.catchAll((error) =>
          Effect.logWarning(`the session of the lease ${name} could not be ended: ${error.message}`)
        )
      )

    const work = yield* Scope.fork(life, ExecutionStrategy.sequential)
    let isOpen = true

    const left = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.gen(function*() {
        if (!isOpen) return
        isOpen = false
        yield* Scope.close(work, exit)
        yield* Deferred.interrupt(outcome)
        if (connection !== undefined) yield* sessionEnded(connection, exit)
      }).pipe(Effect.ensuring(Scope.close(life, exit)))

    const released = Effect.zipRight(
      release.run,
      Effect.flatMap(endings.released(name), become)
    )

    const turn = yield* Effect.makeSemaphore(1)

    /** The session, all that needs the lease, and the lease itself, which is released whatever becomes of the others. */
    const end = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void, ControllerError> =>
      Effect.uninterruptible(
        turn.withPermits(1)(
          Effect.flatMap(Effect.exit(left(exit)), (outcome) => Effect.zipRight(released, outcome))
        )
      )

    const unreleased = (error: ControllerError) =>
      Effect.logWarning(
        `the lease ${name} of ${describe(request)} could not be released, and goes on until its ${
          Duration.format(Duration.decode(request.duration))
        } are over: ${error.message}; \`jmp delete leases ${name}\` releases it`
      )

    const held = Effect.gen(function*() {
      const acquired = yield* acquisition.acquire({ controller, name, request, release, progress: states })
      const watch = yield* watches.make({ controller, name, request, acquired })
      const session = yield* Scope.fork(life, ExecutionStrategy.sequential)
      const noticed = Effect.flatMap(watch.run, (end) =>
        Effect.gen(function*() {
          // The exporter releases it after its hook.
          if (!isOpen) return
          connection = undefined
          yield* release.forget
          yield* become(end)
          yield* Effect.logWarning(end.message)
          yield* Scope.close(session, Exit.void)
        }))
      yield* interruptible.forkScoped(noticed)
      const opened = yield* interruptible.raceFirst(
        Scope.extend(opening.open(controller, name, acquired.exporter, request.connect ?? {}, dial), session),
        Effect.flatMap(watch.ended, (end) =>
          new LeaseError({
            reason: "Ended",
            lease: name,
            request: describe(request),
            details: end.message,
            cause: end
          }))
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
        release: end(Exit.void)
      }
      return lease
    }).pipe(
      // Nobody has it, so it is given back now, and not when the scope closes.
      Effect.tapErrorCause(() => Effect.catchAll(released, unreleased)),
      Effect.annotateLogs({ lease: name }),
      Scope.extend(life)
    )

    // Before anything is sent.
    yield* Effect.addFinalizer((exit) => Effect.catchAll(end(exit), unreleased))
    yield* interruptible.forkIn(Deferred.complete(outcome, held), work)

    return { name, changes: states.changes, acquired: Deferred.await(outcome) }
  })

/** The same, with the exporter connected and ready. What nobody got is released at once. */
export const acquire = (
  controller: ControllerClient,
  asked: LeaseRequest,
  dial: opening.Dial
): Effect.Effect<HeldLease, AcquireError, Scope.Scope> =>
  opening.attempted(Effect.flatMap(request(controller, asked, dial), ({ acquired }) => acquired))
