// A connection put together: what its drivers, its status and its log share.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import * as clientErrors from "../protocol/clientErrors.ts"
import type * as DriverError from "../protocol/DriverError.ts"
import * as DriverTree from "../protocol/DriverTree.ts"
import { EndSessionError, type StatusReport } from "../protocol/ExporterStatus.ts"
import { isExporterGone } from "../protocol/pythonTexts.ts"
import type { Channel } from "../transport/GrpcChannel.ts"
import * as interruptible from "../util/interruptible.ts"
import type { Connection, ConnectOptions } from "./connection.ts"
import { ConnectionState } from "./ConnectionState.ts"
import * as DriverClient from "./DriverClient.ts"
import * as driverLocator from "./driverLocator.ts"
import * as ExporterClient from "./ExporterClient.ts"
import { HookLog } from "./hookLog.ts"
import * as LogStream from "./LogStream.ts"
import * as readyCheck from "./readyCheck.ts"
import * as reconnect from "./reconnect.ts"
import * as statusPoller from "./statusPoller.ts"
import * as statusWaits from "./statusWaits.ts"

// The first answers of an exporter.
export type Introduction = readonly [ExporterClient.ExporterReport, StatusReport]

export const introduce = (exporter: ExporterClient.ExporterClient) =>
  Effect.all([exporter.getReport, statusPoller.getStatus(exporter)])

const endSession = (exporter: ExporterClient.ExporterClient, link: reconnect.Link): Connection["endSession"] => {
  const failed = (reason: EndSessionError["reason"]) => (cause: GrpcStatusError) =>
    new EndSessionError({ address: exporter.target, reason, details: `${cause.code}: ${cause.details}`, cause })

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
  return Effect.zipRight(Effect.mapError(link.settled, failed("ConnectionLost")), answer)
}

interface Options<E> extends Omit<ConnectOptions, "reconnect"> {
  readonly reconnect?: Schedule.Schedule<unknown, E> | undefined
}

export const make = Effect.fnUntraced(function*<E extends { readonly message: string }>(
  channel: Channel,
  introduction: Effect.Effect<Introduction, E>,
  options: Options<E>
) {
  const [report, status] = yield* introduction

  // The locator and the poller are made below: they need the link, and the link needs them after a loss.
  const dial = Effect.flatMap(introduction, ([report, status]) => {
    locator.update(report)
    return poller.learn(status)
  })
  const link = yield* reconnect.make(channel, { dial, schedule: options.reconnect })
  const exporter = ExporterClient.make(link.channel)
  const hookLog = new HookLog()
  const poller: statusPoller.StatusPoller = yield* statusPoller.make(
    exporter,
    link,
    status,
    options.statusPolling ?? {},
    { learned: (report) => hookLog.learn(report), replaced: Effect.suspend(() => locator.check) }
  )
  // A call that failed waits for this report, so the report has a time limit.
  const locator: driverLocator.DriverLocator = yield* driverLocator.make(
    report,
    interruptible.timeoutFail(exporter.getReport, {
      duration: "5 seconds",
      onTimeout: () => new Cause.TimeoutException("no report within 5s")
    }),
    Effect.zipRight(link.replace("the exporter restarted"), Effect.ignore(poller.ask))
  )
  const logs = yield* LogStream.make(
    {
      target: exporter.target,
      getStatus: poller.ask,
      logStream: Stream.unwrap(Effect.as(link.settled, exporter.logStream))
    },
    { isRemote: channel.connection !== undefined, note: (entry) => hookLog.note(entry) }
  )
  const waits = statusWaits.make(exporter.target, poller, logs, hookLog, options.readyTimeout ?? "5 minutes")

  const checkStatus = readyCheck.make(poller)
  const session: DriverClient.Session = {
    exporter,
    logs,
    transferIdleTimeout: options.transferIdleTimeout ?? "10 seconds",
    admit: (node, { caller, kind, method }) => {
      const driver = DriverTree.formatPath(node.path)
      const site: DriverError.CallSite = { address: exporter.target, driver, uuid: node.uuid, method, kind, caller }
      const located = link.ready.pipe(
        Effect.mapError((status) => clientErrors.connectionLost(site, "client", status)),
        Effect.flatMap(() => locator.locate(node, site))
      )
      // Byte streams are not gated (protocol.md 4.2).
      return kind === "call" || kind === "streamingCall" ? Effect.tap(located, checkStatus) : located
    },
    explain: locator.explain
  }

  let clients = { report, root: DriverClient.make(session, report.root) }
  const root = (): DriverClient.DriverClient => {
    const report = locator.report()
    if (clients.report !== report) clients = { report, root: DriverClient.make(session, report.root) }
    return clients.root
  }

  // Asks for the status from time to time, so that a loss shows without a call, and so does its end. After reconnecting was
  // given up, the next call tries again.
  const heartbeat = Effect.scoped(
    Effect.flatMap(poller.subscribe("liveness"), (statuses) => Stream.runDrain(Mailbox.toStream(statuses)))
  ).pipe(
    Effect.tapError((end) =>
      end === "closed" || options.reconnect === undefined
        ? Effect.void
        : Stream.runDrain(Stream.takeUntil(link.state.changes, ConnectionState.$is("Ready")))
    ),
    Effect.retry({ while: (end) => end !== "closed" }),
    Effect.ignore,
    interruptible.forkScoped
  )
  if (options.reconnect !== undefined) yield* heartbeat

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
    get root() {
      return root()
    },
    driver: (path) => Effect.suspend(() => root().child(path)),
    state: link.state.get,
    stateChanges: Stream.unwrapScoped(Effect.as(heartbeat, link.state.changes)).pipe(
      Stream.takeUntil(ConnectionState.$is("Closed"))
    ),
    status: Effect.zipRight(link.ready, poller.ask),
    statusChanges: waits.changes,
    awaitStatus: waits.awaitStatus,
    awaitReady: waits.awaitStatus("LEASE_READY"),
    endSession: options.leased === true ? endSession(exporter, link) : new EndSessionError({
      address: exporter.target,
      reason: "NotLeased",
      details: "this connection does not belong to a lease, and an exporter without one would stay " +
        "AVAILABLE for good; where there is a lease, set the option `leased`"
    }),
    logs: logs.events,
    logStream: logs.forward
  }
  return connection
})
