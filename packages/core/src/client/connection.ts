// The type of a connection to an exporter, its options, and the error when connecting fails.
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type * as ExporterStatus from "../protocol/ExporterStatus.ts"
import type { LogEvent } from "../protocol/LogEntry.ts"
import type { ConnectionState } from "./ConnectionState.ts"
import type * as DriverClient from "./DriverClient.ts"
import type * as LogStream from "./LogStream.ts"

/**
 * Connecting to the exporter failed.
 *
 * - `Address`: the address, its certificate authority or the passphrase cannot be used
 * - `Unreachable`: nothing answers there
 * - `Timeout`: there was no connection within `connectTimeout`, or no answer within `handshakeTimeout` after that
 * - `Unauthenticated`: the passphrase is missing or wrong
 * - `Refused`: the exporter answered the first request with another failure
 * - `InvalidReport`: the exporter's answer does not describe a driver tree
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectError extends Schema.TaggedError<ConnectError>(
  "@effect-jumpstarter/core/ExporterConnection/ConnectError"
)("ConnectError", {
  address: Schema.String,
  reason: Schema.Literal("Address", "Unreachable", "Timeout", "Unauthenticated", "Refused", "InvalidReport"),
  details: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    // Something that is not an address can be any text, even of several lines.
    const address = /^[\x21-\x7e]+$/.test(this.address) ? this.address : JSON.stringify(this.address)
    return `cannot connect to the exporter at ${address} (${this.reason}): ${this.details}`
  }
}

/**
 * What the lab's controller knows about a leased exporter, as `jmp shell` passes it on.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterMetadata {
  /** The exporter's name in the lab. */
  readonly name: string
  /** The name of the lease. */
  readonly lease: Option.Option<string>
  /** The labels by which the exporter is leased. They can differ from those it reports itself. */
  readonly labels: Readonly<Record<string, string>>
}

/**
 * A live connection to an exporter.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  /** The exporter's address. */
  readonly address: string
  /** Random for every instance of the exporter: a restart changes it. */
  readonly uuid: string
  readonly labels: Readonly<Record<string, string>>
  /** The message of the day; empty when there is none. */
  readonly motd: string
  /**
   * The leased exporter: on the connection of a `Lease`, and with `layerEnv` what `jmp shell` says in `JMP_EXPORTER`, `JMP_LEASE` and
   * `JMP_EXPORTER_LABELS` (`protocol.md` 10.6). None on other connections, outside a shell, and in the shell of an exporter that was
   * reached directly.
   */
  readonly metadata: Option.Option<ExporterMetadata>
  /** The client of the root driver, the parent of all others. */
  readonly root: DriverClient.DriverClient
  /** Returns the client of the driver at a path, such as `storage.mux`. */
  readonly driver: DriverClient.DriverClient["child"]

  /** The state of the connection, as far as is known. */
  readonly state: Effect.Effect<ConnectionState>
  /**
   * The current state and its changes, until the connection is closed. While somebody listens, the exporter is queried for
   * its status from time to time, so that a loss also shows on an idle connection.
   */
  readonly stateChanges: Stream.Stream<ConnectionState>

  /**
   * Requests the exporter's status, for at most `statusPolling.deadline`. An exporter that predates statuses counts as
   * `LEASE_READY`, without a version (`protocol.md` 9.5).
   */
  readonly status: Effect.Effect<ExporterStatus.StatusReport, GrpcStatusError>
  /**
   * The current status and its changes, for any number of consumers. Ends with the connection, and after the first element
   * if the exporter predates statuses. Waits for an exporter that is gone. Fails when an exporter stays connected but no
   * longer answers (`statusPolling.deadline`), and when reconnecting was given up.
   */
  readonly statusChanges: Stream.Stream<ExporterStatus.StatusChange, ExporterStatus.StatusNotReached>
  /**
   * Waits until the exporter has one of these statuses, for at most `readyTimeout`. Fails early when a hook failed or the
   * exporter went offline, unless that is the awaited status. It queries at once, and then every `statusPolling.awaited` by
   * Effect's clock, which a test with a `TestClock` adjusts.
   */
  readonly awaitStatus: (
    ...statuses: readonly [ExporterStatus.ExporterStatus, ...ReadonlyArray<ExporterStatus.ExporterStatus>]
  ) => Effect.Effect<ExporterStatus.StatusReport, ExporterStatus.HookFailed | ExporterStatus.StatusNotReached>
  /** Waits until the exporter is `LEASE_READY`. */
  readonly awaitReady: Effect.Effect<
    ExporterStatus.StatusReport,
    ExporterStatus.HookFailed | ExporterStatus.StatusNotReached
  >
  /**
   * Ends the session: the exporter runs the afterLease hook and then becomes `AVAILABLE`, which `awaitStatus` can await.
   * The log continues until then. Fails with `NotLeased` on a connection without a lease. `ended` is `false` when the exporter cannot end
   * a session (`protocol.md` 9.3), and `true` also when the exporter is gone or does not answer within 5 seconds. Waits while the
   * connection is re-established, as calls do.
   */
  readonly endSession: Effect.Effect<
    { readonly ended: boolean; readonly message: string },
    ExporterStatus.EndSessionError
  >

  /**
   * The exporter's log, for any number of consumers, see `LogStream.LogStream`. Consumers that outlive the connection get
   * the lines of calls that ended before it was closed.
   */
  readonly logs: Stream.Stream<LogEvent>
  /**
   * Writes the exporter's log into Effect's logger while the scope is open. A scope that closes right after a call waits
   * for the lines of that call. Older lines have the annotation `backlog`.
   */
  readonly logStream: LogStream.LogStream["forward"]
}

/**
 * How often an exporter is queried for its status while somebody listens.
 *
 * @since 0.1.0
 * @category models
 */
export interface StatusPolling {
  /** The pause between queries while a status is awaited; 100 ms unless given. */
  readonly awaited?: Duration.DurationInput | undefined
  /** The pause in all other cases; 300 ms unless given. */
  readonly watched?: Duration.DurationInput | undefined
  /** The pause while the exporter is `LEASE_READY` and nothing is awaited; 5 seconds unless given. */
  readonly idle?: Duration.DurationInput | undefined
  /** How long an answer may take, 5 seconds unless given. After twenty late answers in a row the connection is given up. */
  readonly deadline?: Duration.DurationInput | undefined
}

/**
 * Options of a connection. They limit connecting, the first answers, and waits for a status. Driver calls have only the
 * limits that the caller sets, and reconnecting has that of its schedule.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
 * import { Effect, Schedule } from "effect"
 *
 * // After a loss: ever more slowly, for two minutes.
 * const Lab = ExporterConnection.layer(Endpoint.unix("/run/jumpstarter.sock"), {
 *   readyTimeout: "10 minutes",
 *   reconnect: Schedule.exponential("100 millis").pipe(
 *     Schedule.union(Schedule.spaced("5 seconds")),
 *     Schedule.upTo("2 minutes")
 *   )
 * })
 *
 * const program = Effect.gen(function*() {
 *   const connection = yield* ExporterConnection.ExporterConnection
 *   yield* connection.awaitReady
 *   const power = yield* connection.driver("power")
 *   yield* power.call("on") // goes to the exporter that is there now
 * }).pipe(
 *   Effect.catchTag("HookFailed", ({ hook, logs }) => Effect.logError(hook, ...logs.map(({ message }) => message))),
 *   Effect.provide(Lab)
 * )
 * ```
 */
export interface ConnectOptions {
  /** Sent with every RPC; direct-mode exporters may require it. */
  readonly passphrase?: Redacted.Redacted | undefined
  /**
   * How long the exporter may take for its first answers once there is a connection; 30 seconds unless given. While its
   * beforeLease hook runs, an exporter may take as long as the hook.
   */
  readonly handshakeTimeout?: Duration.DurationInput | undefined
  /** How long `awaitReady` and `awaitStatus` wait; 5 minutes unless given. */
  readonly readyTimeout?: Duration.DurationInput | undefined
  /**
   * How long a driver that has answered may pause before the rest of a download is given up; 10 seconds unless given.
   */
  readonly transferIdleTimeout?: Duration.DurationInput | undefined
  readonly statusPolling?: StatusPolling | undefined
  /**
   * When to reconnect after a loss. Unless given, only the next call reconnects, and tries once. Calls under way at the
   * loss fail, and are not repeated. Calls made meanwhile wait until there is a connection or the schedule ends, and
   * drivers are found again by their path. The schedule's input is the reason why an attempt failed.
   */
  readonly reconnect?: Schedule.Schedule<unknown, ConnectError> | undefined
  /**
   * Whether the exporter is held by a lease, which `endSession` would end. Unless given, the endpoint decides: leases are
   * reached through Unix sockets. An exporter reached over TCP or TLS, or behind a channel, counts as not leased: ending a
   * session without a lease could leave it permanently unusable (`protocol.md` 9.3).
   */
  readonly leased?: boolean | undefined
}
