/**
 * The driver host: a tree of drivers behind the services of an exporter (`protocol.md` 15.2). The same exporter runs on
 * a `GrpcServer` and behind an in-memory channel.
 *
 * @since 0.1.0
 */
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { RouterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/router"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Driver } from "./Driver.ts"
import type * as Endpoint from "./Endpoint.ts"
import * as ExporterStatus from "./ExporterStatus.ts"
import { GrpcHandler, type GrpcHandlers, withPassphrase } from "./GrpcHandler.ts"
import * as GrpcServer from "./GrpcServer.ts"
import * as GrpcStatus from "./GrpcStatus.ts"
import * as dispatch from "./internal/dispatch.ts"
import * as hosted from "./internal/hosted.ts"
import * as logCodec from "./internal/logCodec.ts"
import * as LogEntry from "./LogEntry.ts"

/**
 * A running driver host.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exporter {
  /** The exporter's services, to be served or put behind an in-memory channel. */
  readonly handlers: GrpcHandlers
  /** Sets the status that clients see and that decides whether calls are accepted (`protocol.md` 4.2). */
  readonly setStatus: (status: ExporterStatus.ExporterStatus, message?: string) => Effect.Effect<void>
  /** Adds a line to the log stream. */
  readonly log: (entry: LogEntry.LogEntry) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ExporterOptions {
  /** The exporter's labels. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** The message of the day. */
  readonly motd?: string | undefined
  /** Whether what drivers log goes to this program's own loggers as well; true unless given. */
  readonly localLogs?: boolean | undefined
  /** The initial status; `LEASE_READY` unless given, as for local serving. */
  readonly status?: ExporterStatus.ExporterStatus | undefined
}

// As many lines as the reference exporter keeps for a late subscriber (protocol.md 8).
const backlog = 256

// Total, as a logger must be: one that throws is a defect of the driver that logged.
const textOf = (value: unknown): string =>
  typeof value === "string"
    ? value
    : value instanceof Error
    ? value.message
    : String(Inspectable.toStringUnknown(value, 0))

const messageOf = (message: unknown): string => (Array.isArray(message) ? message : [message]).map(textOf).join(" ")

// A logger that turns the logs of driver code into lines of the log stream.
const makeLogger = (publish: (entry: LogEntry.LogEntry) => void) =>
  Logger.make<unknown, void>(({ annotations, cause, date, logLevel, message }) => {
    const fields: Record<string, string> = {}
    HashMap.forEach(annotations, (value, key) => {
      fields[key] = textOf(value)
    })
    const { driver_type: driverType, operation, ...rest } = fields
    publish(
      new LogEntry.LogEntry({
        severity: LogEntry.severity(logLevel),
        message: Cause.isEmpty(cause) ? messageOf(message) : `${messageOf(message)}: ${Cause.pretty(cause)}`,
        source: "DRIVER",
        driverType: Option.fromNullable(driverType),
        operation: Option.fromNullable(operation),
        timestamp: DateTime.make(date),
        fields: rest
      })
    )
  })

const { methods } = ExporterServiceDefinition

const rpc = ({ name }: { readonly name: string }): string => `/${ExporterServiceDefinition.fullName}/${name}`

const unary = <Response>(
  method: {
    readonly name: string
    readonly responseType: { readonly encode: (message: Response) => { readonly finish: () => Uint8Array } }
  },
  answer: Effect.Effect<Response>
): readonly [string, GrpcHandler] => [
  rpc(method),
  GrpcHandler.Unary({ handle: () => Effect.map(answer, (response) => method.responseType.encode(response).finish()) })
]

/**
 * Hosts a tree of drivers. What drivers log through Effect's logger reaches the log stream as well, to every
 * subscriber, the latest 256 lines also to one that comes late.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Driver, Exporter } from "@effect-jumpstarter/core"
 * import { Effect } from "effect"
 *
 * const relay = Driver.make({
 *   client: "jumpstarter_driver_power.client.PowerClient",
 *   methods: {
 *     on: Driver.call(() => Effect.log("relay closed")),
 *     off: Driver.call(() => Effect.log("relay opened"))
 *   }
 * })
 *
 * const program = Effect.gen(function*() {
 *   const exporter = yield* Exporter.make(Driver.composite({ power: relay }))
 *   yield* Exporter.serve(exporter, { path: "/tmp/bench.sock" })
 *   return yield* Effect.never
 * }).pipe(Effect.scoped)
 * ```
 */
export const make = Effect.fnUntraced(function*(root: Driver, options: ExporterOptions = {}) {
  const uuid = crypto.randomUUID()
  const tree = hosted.make(root)
  const status = yield* Ref.make<ExporterStatus.StatusReport>(
    new ExporterStatus.StatusReport({
      status: options.status ?? "LEASE_READY",
      message: "",
      version: Option.some(0n),
      previous: Option.none()
    })
  )
  const logs = yield* Effect.acquireRelease(
    PubSub.sliding<LogEntry.LogEntry>({ capacity: backlog, replay: backlog }),
    PubSub.shutdown
  )
  const logger = makeLogger((entry) => {
    logs.unsafeOffer(entry)
  })

  const withLogger = (loggers: HashSet.HashSet<Logger.Logger<unknown, unknown>>) =>
    HashSet.add(options.localLogs === false ? HashSet.empty() : loggers, logger)

  const host: dispatch.Host = {
    tree,
    gate: Effect.flatMap(Ref.get(status), ({ status }) =>
      ExporterStatus.admitsDriverCalls(status)
        ? Effect.void
        : GrpcStatus.make("FAILED_PRECONDITION", `Exporter not ready for driver calls (status: ${status})`)),
    record: ({ driver }, operation, severity, message, fields) =>
      Effect.flatMap(DateTime.now, (timestamp) =>
        PubSub.publish(
          logs,
          new LogEntry.LogEntry({
            severity,
            message,
            source: "DRIVER",
            driverType: Option.some(driver.driverType),
            operation: Option.some(operation),
            timestamp: Option.some(timestamp),
            fields
          }, { disableValidation: true })
        )),
    withLogs: ({ driver }, operation, effect) =>
      effect.pipe(
        Effect.annotateLogs({ driver_type: driver.driverType, operation }),
        Effect.locallyWith(FiberRef.currentLoggers, withLogger)
      )
  }

  const exporter: Exporter = {
    handlers: new Map<string, GrpcHandler>([
      unary(
        methods.getReport,
        Effect.sync(() => ({
          uuid,
          labels: { ...options.labels },
          reports: [...tree.reports],
          alternativeEndpoints: [],
          motd: options.motd ?? ""
        }))
      ),
      unary(
        methods.getStatus,
        Effect.map(Ref.get(status), (report) => ({
          status: ExporterStatus.toNumber(report.status),
          message: report.message,
          statusVersion: Option.getOrElse(report.version, () => 0n),
          previousStatus: Option.getOrUndefined(Option.map(report.previous, ExporterStatus.toNumber))
        }))
      ),
      // There is no lease whose hooks could run (protocol.md 9.3).
      unary(methods.endSession, Effect.succeed({ success: false, message: "No active lease context" })),
      [
        rpc(methods.logStream),
        GrpcHandler.ServerStreaming({
          handle: () =>
            Stream.map(
              Stream.fromPubSub(logs),
              (entry) => methods.logStream.responseType.encode(logCodec.toProto(entry)).finish()
            )
        })
      ],
      [rpc(methods.driverCall), dispatch.driverCall(host)],
      [rpc(methods.streamingDriverCall), dispatch.streamingDriverCall(host)],
      [
        `/${RouterServiceDefinition.fullName}/${RouterServiceDefinition.methods.stream.name}`,
        dispatch.stream(host)
      ]
    ]),
    setStatus: (next, message = "") =>
      Ref.update(status, (current) =>
        new ExporterStatus.StatusReport({
          status: next,
          message,
          version: Option.map(current.version, (version) => version + 1n),
          previous: Option.some(current.status)
        })),
    log: (entry) => Effect.asVoid(PubSub.publish(logs, entry))
  }
  return exporter
})

/**
 * Serves an exporter until the scope closes, and answers with the endpoint it can be reached at.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = (
  exporter: Exporter,
  listen: GrpcServer.Listen,
  options?: { readonly passphrase?: Redacted.Redacted | undefined }
): Effect.Effect<Endpoint.Endpoint, GrpcServer.GrpcServerError, Scope.Scope> =>
  GrpcServer.serve(
    options?.passphrase === undefined ? exporter.handlers : withPassphrase(exporter.handlers, options.passphrase),
    listen
  )
