// What a host logs about a call (protocol.md 8): its beginning, what the driver logs meanwhile, and its end.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type { RpcFibers } from "../grpc/rpcFibers.ts"
import { type Call, callName } from "../protocol/callSite.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"
import { causeText, type HostLog, type Logging } from "./log.ts"
import type { ProvidedDriver } from "./services.ts"

export interface Logged {
  readonly log: HostLog
  readonly driver: ProvidedDriver
  readonly call: Call
}

const errorTypes: Record<DriverFailure.FailureReason, string> = {
  NotImplemented: "not_implemented",
  InvalidArgument: "validation_error",
  Timeout: "timeout",
  Connection: "connection_error",
  Device: "device_error",
  Other: "internal_error"
}

type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

const noFields = {}

const success = { result: "success" }

const begun = ({ call, driver, log }: Logged, fiber: AnyFiber): void =>
  log.record(fiber, driver, call.method, "INFO", "Operation started", noFields)

const failureOf = (cause: Cause.Cause<unknown>): DriverFailure.DriverFailure | undefined => {
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  const failure = error instanceof GrpcStatusError ? error.cause : error
  return failure instanceof DriverFailure.DriverFailure ? failure : undefined
}

const ended = ({ call, driver, log }: Logged, fiber: AnyFiber, exit: Exit.Exit<unknown, unknown>): void => {
  if (Exit.isSuccess(exit)) {
    log.record(fiber, driver, call.method, "INFO", "Operation completed", success)
    // A caller that stops listening is not a failure.
  } else if (Cause.isInterruptedOnly(exit.cause)) {
    log.record(fiber, driver, call.method, "INFO", "Operation cancelled", { result: "cancelled" })
  } else {
    const failure = failureOf(exit.cause)
    log.record(fiber, driver, call.method, "WARNING", "Operation failed", {
      result: "failure",
      error_type: errorTypes[failure?.reason ?? "Other"],
      error: failure?.message ?? causeText(exit.cause)
    })
  }
}

// A driver's bug is reported to the caller as Python exporters report unexpected exceptions, and logged here, for the people who can fix
// it.
const reportBug = ({ call }: Logged, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Option.isSome(Cause.dieOption(cause))
    ? Effect.logError(`${callName(call)} failed unexpectedly`, cause)
    : Effect.void

// A driver's failure travels without its cause, which is often what helps to fix it, so it is logged here.
const reportFailure = ({ call, log }: Logged, cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const failure = failureOf(cause)
  return failure === undefined
    ? Effect.void
    : log.locally(Effect.logWarning(`${callName(call)} failed`, Cause.fail(failure)))
}

// Runs an effect with the FiberRefs of a fiber that has ended.
const runAfter = (fiber: AnyFiber, effect: Effect.Effect<void>): void =>
  void Runtime.runFork(
    Runtime.make({ context: fiber.currentContext, fiberRefs: fiber.getFiberRefs(), runtimeFlags: RuntimeFlags.none }),
    effect
  )

const reportTrouble = (logged: Logged, fiber: AnyFiber, outside: Logging, cause: Cause.Cause<unknown>): void => {
  if (Cause.isInterruptedOnly(cause)) return
  const { call, driver, log } = logged
  const bug = Effect.zipRight(log.enter(driver, call.method, outside), reportBug(logged, cause))
  runAfter(fiber, Effect.zipRight(bug, Effect.zipRight(log.leave(outside), reportFailure(logged, cause))))
}

// Logs this fiber, which is the RPC's own and ends with the call, from here to its end. Brackets around the driver's code would take as
// many steps as the rest of a small call. After a failure `run` leaves, because Effect logs the failures of fibers.
const logFiber = <A, E, R>(
  logged: Logged,
  hasLines: boolean,
  run: (enter: Effect.Effect<void>, leave: Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) => {
    const { call, driver, log } = logged
    if (hasLines) begun(logged, fiber)
    const outside = log.logging(fiber)
    fiber.addObserver((exit) => {
      if (Exit.isFailure(exit)) reportTrouble(logged, fiber, outside, exit.cause)
      if (hasLines) ended(logged, fiber, exit)
    })
    return run(log.enter(driver, call.method, outside), log.leave(outside))
  })

const logEffect = <A, E, R>(logged: Logged, hasLines: boolean, code: () => Effect.Effect<A, E, R>) =>
  logFiber(logged, hasLines, (enter, leave) =>
    Effect.catchAllCause(
      Effect.flatMap(enter, code),
      (cause) => Effect.zipRight(leave, Effect.failCause(cause))
    ))

/** Logs a call until the end of its fiber. */
export const call = <A, E, R>(logged: Logged, code: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  logEffect(logged, true, code)

/**
 * Runs a call in a fiber of its own, which has nothing to do but the driver's code, and begins at once. Returns an `Exit` if that code has
 * ended already.
 */
export const startCall = <A, B>(
  logged: Logged,
  fibers: RpcFibers,
  code: () => Effect.Effect<A, DriverFailure.DriverFailure>,
  encode: (result: A) => Either.Either<B, DriverFailure.DriverFailure>
): Effect.Effect<B, GrpcStatusError> => {
  const { call, driver, log } = logged
  const run = Effect.withFiberRuntime<A, DriverFailure.DriverFailure>((fiber) => {
    begun(logged, fiber)
    return code()
  })
  // Effect would log the failure of the fiber.
  const fiber = fibers.fork(Effect.exit(run), log.entered(driver, call.method, fibers.refs))
  const answerOf = (exit: Exit.Exit<Exit.Exit<A, DriverFailure.DriverFailure>>): Exit.Exit<B, GrpcStatusError> => {
    const answer = Exit.flatMap(Exit.flatten(exit), (result) => Exit.fromEither(encode(result)))
    if (Exit.isFailure(answer)) reportTrouble(logged, fiber, log.outside(fibers.refs), answer.cause)
    ended(logged, fiber, answer)
    return Exit.mapError(answer, DriverFailure.toStatus)
  }
  const exit = fiber.unsafePoll()
  return exit !== null ? answerOf(exit) : Effect.async((resume) => {
    fiber.addObserver((exit) => resume(answerOf(exit)))
    return Fiber.interrupt(fiber)
  })
}

/** The same for a byte stream, which has no lines for its beginning and end. */
export const byteStream = <A, E, R>(logged: Logged, code: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  logEffect(logged, false, code)

/** The same for a streaming call. */
export const streamingCall = <A, E>(logged: Logged, results: Stream.Stream<A, E>): Stream.Stream<A, E> => {
  const inScope = Stream.unwrapScoped(Effect.gen(function*() {
    // A scope of its own, because nobody else learns about a device that fails to close.
    const scope = yield* Effect.acquireRelease(
      Scope.make(),
      (scope, exit) => Effect.tapErrorCause(Scope.close(scope, exit), (cause) => reportBug(logged, cause))
    )
    return Stream.repeatEffectChunkOption(yield* Scope.extend(Stream.toPull(results), scope))
  }))
  return Stream.unwrap(
    logFiber(logged, true, (enter, leave) => Effect.as(enter, Stream.onError(inScope, () => leave)))
  )
}

/** Logs a driver's reset, which runs before all calls. */
export const reset = (
  logged: Logged,
  code: Effect.Effect<void, DriverFailure.DriverFailure>
): Effect.Effect<void, DriverFailure.DriverFailure> =>
  Effect.withFiberRuntime((fiber) => {
    const { call, driver, log } = logged
    const before = log.logging(fiber)
    return Effect.acquireUseRelease(
      log.enter(driver, call.method, before),
      () => Effect.tapErrorCause(code, (cause) => reportBug(logged, cause)),
      () => log.leave(before)
    )
  })
