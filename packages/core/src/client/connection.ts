// What a connection to an exporter is, the options it is made with, and why there is none.
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
 * The exporter could not be connected to.
 *
 * - `Address`: the address, its certificate authority or the passphrase cannot be used
 * - `Unreachable`: nothing answers there
 * - `Timeout`: there was no connection within `connectTimeout`, or no answer within `handshakeTimeout` after that
 * - `Unauthenticated`: the passphrase is missing or wrong
 * - `Refused`: the exporter answered the first request with another failure
 * - `InvalidReport`: the exporter's answer makes no driver tree
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
    // What is no address can be anything, also of several lines.
    const address = /^[\x21-\x7e]+$/.test(this.address) ? this.address : JSON.stringify(this.address)
    return `cannot connect to the exporter at ${address} (${this.reason}): ${this.details}`
  }
}

/**
 * What the controller of a lab knows of a leased exporter, as `jmp shell` hands it on.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterMetadata {
  /** The exporter's name in the lab. */
  readonly name: string
  /** The name of the lease. */
  readonly lease: Option.Option<string>
  /** The labels by which it is leased. Its own labels, as it reports them, can be others. */
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
  /** Random for every instance of the exporter: it is another one after a restart. */
  readonly uuid: string
  readonly labels: Readonly<Record<string, string>>
  /** The message of the day; empty when there is none. */
  readonly motd: string
  /**
   * What `jmp shell` says of the exporter it leased: `JMP_EXPORTER`, `JMP_LEASE` and `JMP_EXPORTER_LABELS`, with `layerEnv`
   * (`protocol.md` 10.6). None with other connections, and where there is no lease: outside a shell, and in that of an
   * exporter that was reached directly.
   */
  readonly metadata: Option.Option<ExporterMetadata>
  /** The client of the root driver, through which all others are found. */
  readonly root: DriverClient.DriverClient
  /** The client of the driver at a path, as in `storage.mux`. */
  readonly driver: DriverClient.DriverClient["child"]

  /** Whether the connection stands, as far as is known. */
  readonly state: Effect.Effect<ConnectionState>
  /**
   * The state as of now and its changes, until the connection is closed. While somebody listens the exporter is asked for
   * its status from time to time, so that a loss shows on an idle connection too.
   */
  readonly stateChanges: Stream.Stream<ConnectionState>

  /**
   * The exporter's status, asked for, which takes `statusPolling.deadline` at most. An exporter that predates statuses
   * counts as `LEASE_READY`, without a version (`protocol.md` 9.5).
   */
  readonly status: Effect.Effect<ExporterStatus.StatusReport, GrpcStatusError>
  /**
   * The status as of now and its changes, for any number of consumers. Ends with the connection, and after the first
   * element where the exporter predates statuses. An exporter that is gone is waited for; it fails when one that is there
   * does not answer any more (`statusPolling.deadline`), and when reconnecting was given up.
   */
  readonly statusChanges: Stream.Stream<ExporterStatus.StatusChange, ExporterStatus.StatusNotReached>
  /**
   * Waits until the exporter is in one of these statuses, for `readyTimeout` at most. Fails early when a hook failed or the
   * exporter went offline, unless that is what is awaited. It asks at once, and then every `statusPolling.awaited` by Effect's
   * clock, which a test with a `TestClock` adjusts.
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
   * Has the exporter end the session: it runs the afterLease hook, and is `AVAILABLE` after that, which can be awaited.
   * The log goes on until then. Nothing is ended where there is no lease, or the exporter cannot do it (`protocol.md` 9.3);
   * an exporter that is gone counts as one that has ended it. While the connection is re-established it waits, as calls do.
   */
  readonly endSession: Effect.Effect<
    { readonly ended: boolean; readonly message: string },
    ExporterStatus.EndSessionError
  >

  /**
   * The exporter's log, for any number of consumers, see `LogStream.LogStream`. Consumers that outlive the connection get the
   * lines of calls that have ended before it is closed.
   */
  readonly logs: Stream.Stream<LogEvent>
  /**
   * Writes the exporter's log into Effect's logger while the scope is open. A scope that closes right after a call waits for
   * the lines of that call; lines from before have the annotation `backlog`.
   */
  readonly logStream: LogStream.LogStream["forward"]
}

/**
 * How often an exporter is asked for its status while somebody wants to know.
 *
 * @since 0.1.0
 * @category models
 */
export interface StatusPolling {
  /** The pause while a status is awaited; 100 ms unless given. */
  readonly awaited?: Duration.DurationInput | undefined
  /** The pause otherwise; 300 ms unless given. */
  readonly watched?: Duration.DurationInput | undefined
  /** The pause while the exporter is `LEASE_READY` and nothing is awaited; 5 seconds unless given. */
  readonly idle?: Duration.DurationInput | undefined
  /** How long an answer may take, 5 seconds unless given. After twenty in a row that took longer the connection is given up. */
  readonly deadline?: Duration.DurationInput | undefined
}

/**
 * Options of a connection. Connecting, the first answers, and the waits for a status have their bounds here. Driver calls
 * have none but the caller's, and reconnecting has that of its schedule.
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
  /** Sent along with every RPC; direct-mode exporters may require it. */
  readonly passphrase?: Redacted.Redacted | undefined
  /**
   * How long the exporter may take for its first answers once there is a connection; 30 seconds unless given. An exporter
   * whose beforeLease hook runs may take as long as the hook.
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
   * When to connect again after a loss; never unless given, then the next call does, once. What was under way at the loss has
   * failed, and is not repeated. Calls made meanwhile wait, until there is a connection or the schedule ends, and drivers
   * are found again by their place in the tree. The schedule's input is why an attempt failed.
   */
  readonly reconnect?: Schedule.Schedule<unknown, ConnectError> | undefined
  /**
   * Whether the exporter is held by a lease, which `endSession` would end. Unless given, this is what the endpoint says:
   * leases are reached through Unix sockets. An exporter reached over TCP or TLS is taken for one that is not leased, and so
   * is one behind a channel: asking it to end a session could leave it unusable for good (`protocol.md` 9.3).
   */
  readonly leased?: boolean | undefined
}
