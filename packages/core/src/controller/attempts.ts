// Attempts a request to the controller until it succeeds, fails permanently, or its time is over.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as interruptible from "../util/interruptible.ts"
import { ControllerError, type ControllerReason, isTransient } from "./controllerError.ts"
import * as controllerTexts from "./controllerTexts.ts"

export interface Request {
  /** The name of the RPC. */
  readonly name: string
  readonly target: string
  readonly subject?: string | undefined
}

const pauses = Schedule.exponential("100 millis", 1.5).pipe(Schedule.union(Schedule.spaced("2 seconds")))

/** Makes the error of a status. */
export const fromStatus = (name: string, subject?: string) => (status: GrpcStatus.GrpcStatusError): ControllerError => {
  const details = controllerTexts.shownDetails(status.details)
  return new ControllerError({
    reason: controllerTexts.reasonOf(status),
    rpc: name,
    target: status.target,
    subject,
    code: status.code,
    details,
    cause: GrpcStatus.amend(status, { details })
  })
}

export const amended = (
  error: ControllerError,
  fields: Partial<Pick<ControllerError, "details" | "reason">>
): ControllerError => new ControllerError({ ...error, cause: error.cause, ...fields })

export const timedOut = ({ name, subject, target }: Request, bound: Duration.Duration): ControllerError =>
  new ControllerError({
    reason: "TimedOut",
    rpc: name,
    target,
    subject,
    code: "DEADLINE_EXCEEDED",
    details: `there was no answer within ${Duration.format(bound)}`
  })

/** Retries transient failures within the bound. */
export const persist = <A>(
  request: Request,
  bound: Duration.Duration,
  attempt: Effect.Effect<A, ControllerError>
): Effect.Effect<A, ControllerError> =>
  Effect.suspend(() => {
    let last: ControllerError | undefined
    return attempt.pipe(
      Effect.tapError((error) => {
        const isNews = last?.reason !== error.reason && isTransient(error)
        last = error
        if (!isNews) return Effect.void
        const line = `${error.message}; trying again for up to ${Duration.format(bound)}`
        return error.reason === "Starting" || error.reason === "Unavailable"
          ? Effect.logInfo(line)
          : Effect.logDebug(line)
      }),
      Effect.retry({ while: isTransient, schedule: pauses }),
      interruptible.timeoutFail({
        duration: bound,
        onTimeout: () =>
          last === undefined
            ? timedOut(request, bound)
            : amended(last, { details: `${last.details} (for ${Duration.format(bound)})` })
      })
    )
  })

// A status of origin `client` means that nothing was sent.
const mayHaveHappened = ({ cause, code }: ControllerError): boolean =>
  code === "UNAVAILABLE" && !(cause instanceof GrpcStatus.GrpcStatusError && cause.origin === "client")

/**
 * `persist` for a request that changes something. When an attempt may have been carried out and a later one fails with `reason`, `done`
 * returns the result if the change has been made.
 */
export const persistOnce = <A>(
  request: Request,
  bound: Duration.Duration,
  attempt: Effect.Effect<A, ControllerError>,
  reason: ControllerReason,
  done: Effect.Effect<Option.Option<A>, ControllerError>
): Effect.Effect<A, ControllerError> =>
  Effect.suspend(() => {
    let unsure = false
    return persist(
      request,
      bound,
      attempt.pipe(
        Effect.catchIf(
          (error) => unsure && error.reason === reason,
          (error) => Effect.flatMap(done, Option.match({ onNone: () => Effect.fail(error), onSome: Effect.succeed }))
        ),
        Effect.tapError((error) =>
          Effect.sync(() => {
            unsure ||= mayHaveHappened(error)
          })
        )
      )
    )
  })
