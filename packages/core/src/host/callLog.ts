// What a host logs about a call (protocol.md 8): its beginning, what the driver logs meanwhile, and its end.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import { type Call, callName } from "../protocol/callSite.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"
import { causeText, type HostLog } from "./log.ts"
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

// One bracket, because it is a large part of the cost of a call. A driver's bug is reported to the caller as Python
// exporters report unexpected exceptions, and logged here, for the people who can fix it.
const bracket = <A, E, R>(
  { call, driver, log }: Logged,
  begin: Effect.Effect<void>,
  code: Effect.Effect<A, E, R>,
  end: (exit: Exit.Exit<A, E>) => Effect.Effect<void>
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.zipRight(begin, log.enter(driver, call.method)), (before) => {
      const ended = (exit: Exit.Exit<A, E>) => Effect.zipRight(log.leave(before), end(exit))
      return Effect.matchCauseEffect(restore(code), {
        onFailure: (cause) => {
          const exit = Exit.failCause(cause)
          const said = Option.isSome(Cause.dieOption(cause))
            ? Effect.zipRight(Effect.logError(`${callName(call)} failed unexpectedly`, cause), ended(exit))
            : ended(exit)
          return Effect.zipRight(said, exit)
        },
        onSuccess: (value) => {
          const exit = Exit.succeed(value)
          return Effect.zipRight(ended(exit), exit)
        }
      })
    })
  )

// Driver code that runs as part of a call, or before all calls.
export const part = <A, E, R>(logged: Logged, code: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  bracket(logged, Effect.void, code, () => Effect.void)

// A driver's failure travels without its cause, which is often what helps to fix it, so it is logged here.
const reportFailure = ({ call, log }: Logged, failure: DriverFailure.DriverFailure) =>
  log.locally(Effect.logWarning(`${callName(call)} failed`, Cause.fail(failure)))

const begin = ({ call, driver, log }: Logged) => log.record(driver, call.method, "INFO", "Operation started", {})

const end = (logged: Logged) => (exit: Exit.Exit<unknown, DriverFailure.DriverFailure>): Effect.Effect<void> => {
  const { call, driver, log } = logged
  if (Exit.isSuccess(exit)) return log.record(driver, call.method, "INFO", "Operation completed", { result: "success" })
  // A caller that stops listening is not a failure.
  if (Cause.isInterruptedOnly(exit.cause)) {
    return log.record(driver, call.method, "INFO", "Operation cancelled", { result: "cancelled" })
  }
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  const line = log.record(driver, call.method, "WARNING", "Operation failed", {
    result: "failure",
    error_type: errorTypes[failure?.reason ?? "Other"],
    error: failure?.message ?? causeText(exit.cause)
  })
  return failure === undefined ? line : Effect.zipRight(line, reportFailure(logged, failure))
}

export const around = <A, R>(
  logged: Logged,
  call: Effect.Effect<A, DriverFailure.DriverFailure, R>
): Effect.Effect<A, DriverFailure.DriverFailure, R> => bracket(logged, begin(logged), call, end(logged))

// The driver's logs are captured as they happen, so its pulls run one by one.
export const aroundStream = <A>(
  logged: Logged,
  results: Stream.Stream<A, DriverFailure.DriverFailure>
): Stream.Stream<A, DriverFailure.DriverFailure> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    yield* begin(logged)
    // A scope of its own, because nobody else learns about a device that fails to close.
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => part(logged, Scope.close(scope, exit)))
    return Stream.repeatEffectChunkOption(part(logged, yield* Scope.extend(Stream.toPull(results), scope)))
  })).pipe(Stream.ensuringWith(end(logged)))

// A byte stream logs no lines for its beginning and end.
export const aroundByteStream = <A, R>(
  logged: Logged,
  stream: Effect.Effect<A, GrpcStatusError, R>
): Effect.Effect<A, GrpcStatusError, R> =>
  bracket(logged, Effect.void, stream, (exit) => {
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
    return error?.cause instanceof DriverFailure.DriverFailure ? reportFailure(logged, error.cause) : Effect.void
  })
