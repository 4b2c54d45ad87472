// How a client meets an exporter, first and after each loss: it opens the connection, requests the report and the status,
// and explains a failure.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type * as DriverTree from "../protocol/DriverTree.ts"
import type { StatusReport } from "../protocol/ExporterStatus.ts"
import type { Channel } from "../transport/GrpcChannel.ts"
import * as interruptible from "../util/interruptible.ts"
import { ConnectError, type ConnectOptions } from "./connection.ts"
import * as ExporterClient from "./ExporterClient.ts"
import * as knownStatus from "./knownStatus.ts"

// The first answers of an exporter.
interface Introduction {
  readonly report: ExporterClient.ExporterReport
  readonly status: StatusReport
}

export type Handshake = Effect.Effect<Introduction, ConnectError>

const refusal = (address: string, error: GrpcStatusError | DriverTree.InvalidReport): ConnectError => {
  if (error._tag === "InvalidReport") {
    return new ConnectError({ address, reason: "InvalidReport", details: error.message, cause: error })
  }
  const reason = error.origin === "client" && error.code === "INVALID_ARGUMENT"
    ? "Address"
    : error.origin === "transport"
    ? Cause.isTimeoutException(error.cause) ? "Timeout" : "Unreachable"
    : error.code === "UNAUTHENTICATED"
    ? "Unauthenticated"
    : "Refused"
  return new ConnectError({
    address,
    reason,
    details: reason === "Refused" ? `${error.code}: ${error.details}` : error.details,
    cause: error
  })
}

export const explained = <A, R>(
  address: string,
  effect: Effect.Effect<A, GrpcStatusError | DriverTree.InvalidReport | ConnectError, R>
): Effect.Effect<A, ConnectError, R> =>
  Effect.mapError(effect, (error) => error._tag === "ConnectError" ? error : refusal(address, error))

// Tells a client without the right passphrase what to do.
const advise = (error: ConnectError, { passphrase }: Pick<ConnectOptions, "passphrase">): ConnectError =>
  error.reason === "Unauthenticated"
    ? new ConnectError({
      ...error,
      cause: error.cause,
      details: passphrase === undefined
        ? `${error.details}; no passphrase was given (option \`passphrase\`, or JMP_GRPC_PASSPHRASE)`
        : `${error.details}; the given passphrase is not the exporter's`
    })
    : error

export const make = (
  channel: Channel,
  options: Pick<ConnectOptions, "handshakeTimeout" | "passphrase">
): Handshake => {
  const address = channel.target
  const exporter = ExporterClient.make(channel)
  const handshakeTimeout = Duration.decode(options.handshakeTimeout ?? "30 seconds")

  // At the same time, because a round trip through a router takes several milliseconds.
  const answers = Effect.acquireUseRelease(
    interruptible.forkDaemon(knownStatus.read(exporter)),
    (asked) => Effect.zipWith(exporter.getReport, Fiber.join(asked), (report, status) => ({ report, status })),
    Fiber.interrupt
  ).pipe(
    interruptible.timeoutFail({
      duration: handshakeTimeout,
      onTimeout: () =>
        new ConnectError({
          address,
          reason: "Timeout",
          details: `no answer within ${Duration.format(handshakeTimeout)} (handshakeTimeout)`
        })
    }),
    // Drop the silent connection so that the next caller dials again.
    Effect.tapErrorTag("ConnectError", ({ details }) => channel.connection?.drop(details) ?? Effect.void)
  )
  return Effect.mapError(
    explained(address, Effect.zipRight(channel.connection?.open ?? Effect.void, answers)),
    (error) => advise(error, options)
  )
}

// Checks, over an existing connection, whether the exporter is still the same. Calls that have failed wait for the answer.
export const reportAgain = (exporter: ExporterClient.ExporterClient) =>
  interruptible.timeoutFail(exporter.getReport, {
    duration: "5 seconds",
    onTimeout: () => new Cause.TimeoutException("no report within 5s")
  })
