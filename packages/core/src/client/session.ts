// A complete connection: what its drivers, its status and its log share.
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import * as callers from "../protocol/callerFrame.ts"
import { EndSessionError, type StatusReport } from "../protocol/ExporterStatus.ts"
import { isExporterGone } from "../protocol/pythonTexts.ts"
import * as witness from "../telemetry/witness.ts"
import type { Channel } from "../transport/GrpcChannel.ts"
import * as interruptible from "../util/interruptible.ts"
import * as admission from "./admission.ts"
import type { Connection, ConnectOptions } from "./connection.ts"
import { ConnectionState } from "./ConnectionState.ts"
import * as DriverClient from "./DriverClient.ts"
import * as driverLocator from "./driverLocator.ts"
import * as handshake from "./handshake.ts"
import { HookLog } from "./hookLog.ts"
import * as knownStatus from "./knownStatus.ts"
import * as LogStream from "./LogStream.ts"
import * as reconnect from "./reconnect.ts"
import * as statusPoller from "./statusPoller.ts"
import * as statusWaits from "./statusWaits.ts"

const endSession = (
  { exporter, settled }: reconnect.Link,
  caller: callers.Caller | undefined
): Connection["endSession"] => {
  const failed = (reason: EndSessionError["reason"]) => (cause: GrpcStatusError) =>
    callers.blame(
      new EndSessionError({ address: exporter.target, reason, details: `${cause.code}: ${cause.details}`, cause }),
      { caller }
    )

  const answer = exporter.endSession.pipe(
    Effect.map(({ message, success }) => ({ ended: success, message })),
    Effect.catchAll((status) =>
      status.origin === "client"
        ? failed(status.code === "CANCELLED" ? "ConnectionLost" : "Failed")(status)
        : isExporterGone(status)
        ? Effect.succeed({ ended: true, message: `${status.code}: ${status.details}` })
        : status.code === "UNIMPLEMENTED"
        ? Effect.succeed({ ended: false, message: "the exporter cannot end a session" })
        : failed("Failed")(status)
    ),
    interruptible.timeoutOption("5 seconds"),
    Effect.map(Option.getOrElse(() => ({ ended: true, message: "no answer within 5s" })))
  )
  return Effect.zipRight(Effect.mapError(settled, failed("ConnectionLost")), answer)
}

export interface Options extends ConnectOptions, reconnect.Policy {}

export interface Session {
  readonly connection: Connection
  // What the exporter answered when it was met.
  readonly status: StatusReport
}

export const make = Effect.fnUntraced(function*(channel: Channel, options: Options) {
  const introduction = handshake.make(channel, options)
  const first = yield* introduction
  const name = options.metadata?.name ?? channel.target
  const witnessed = (yield* FiberRef.get(witness.current))?.connected(name)
  const hookLog = new HookLog()
  const locator = driverLocator.make(first.report)
  const status = yield* knownStatus.make(channel.target, first.status, hookLog)
  const link = yield* reconnect.make(channel, introduction, { locator, status, witness: witnessed }, options)
  const { exporter } = link
  const poller = yield* statusPoller.make(link, status, options.statusPolling ?? {})
  const logs = yield* LogStream.make(
    {
      target: exporter.target,
      getStatus: poller.ask,
      logStream: Stream.unwrap(Effect.as(link.settled, exporter.logStream))
    },
    { isRemote: channel.connection !== undefined, note: (entry) => hookLog.note(entry), witness: witnessed?.log }
  )
  const waits = statusWaits.make(
    link,
    status,
    poller,
    logs,
    hookLog,
    options.readyTimeout ?? "5 minutes"
  )
  const session: DriverClient.Session = {
    exporter,
    name,
    logs,
    transferIdleTimeout: options.transferIdleTimeout ?? "10 seconds",
    witness: witnessed,
    ...admission.make(link, locator, status, poller)
  }

  let clients = { report: first.report, root: DriverClient.make(session, first.report.root) }
  const root = (): DriverClient.DriverClient => {
    const report = locator.report()
    if (clients.report !== report) clients = { report, root: DriverClient.make(session, report.root) }
    return clients.root
  }

  // Queries the status from time to time, so that a loss, and its end, show without a call. After reconnecting was given
  // up, the next call tries again.
  const heartbeat = Effect.scoped(
    Effect.flatMap(poller.subscribe("liveness"), (statuses) => Stream.runDrain(Mailbox.toStream(statuses)))
  ).pipe(
    Effect.tapError((end) =>
      end === "closed" || options.reconnect === undefined
        ? Effect.void
        : Stream.runDrain(Stream.takeUntil(link.state.changes, ConnectionState.$is("Ready")))
    ),
    Effect.retry({ while: (end) => end !== "closed" }),
    Effect.ignore
  )
  // The exporter has just answered.
  if (options.reconnect !== undefined) yield* interruptible.forkScoped(Effect.zipRight(poller.rest, heartbeat))

  const connection: Connection = {
    address: exporter.target,
    get uuid() {
      return locator.report().uuid
    },
    get labels() {
      return locator.report().labels
    },
    get motd() {
      return locator.report().motd
    },
    metadata: Option.fromNullable(options.metadata),
    get root() {
      return root()
    },
    driver: (path) => {
      const caller = callers.of()
      return Effect.suspend(() => callers.on(caller, () => root().child(path)))
    },
    state: link.state.get,
    stateChanges: Stream.unwrapScoped(Effect.as(interruptible.forkScoped(heartbeat), link.state.changes)).pipe(
      Stream.takeUntil(ConnectionState.$is("Closed"))
    ),
    status: Effect.zipRight(link.ready, poller.ask),
    get statusChanges() {
      return waits.changes(callers.of())
    },
    awaitStatus: (...awaited) => waits.awaitStatus(callers.of(), awaited),
    get awaitReady() {
      return waits.awaitStatus(callers.of(), ["LEASE_READY"])
    },
    get endSession() {
      const caller = callers.of()
      return options.leased === true ? endSession(link, caller) : callers.blame(
        new EndSessionError({
          address: exporter.target,
          reason: "NotLeased",
          details: "this connection has no lease, and ending the session of an exporter without one leaves it " +
            "AVAILABLE and unusable; if there is a lease, set the option `leased`"
        }),
        { caller }
      )
    },
    logs: logs.events,
    logStream: logs.forward
  }
  const made: Session = { connection, status: first.status }
  return made
})
