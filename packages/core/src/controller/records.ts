// Exporters and leases as the controller reports them, and their conversion from messages. Controller re-exports the types.
import type { Duration as WireDuration } from "@effect-jumpstarter/proto/google/protobuf/duration"
import type { Timestamp } from "@effect-jumpstarter/proto/google/protobuf/timestamp"
import type {
  Exporter as WireExporter,
  Lease as WireLease
} from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import type { Condition } from "@effect-jumpstarter/proto/jumpstarter/v1/kubernetes"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as ExporterStatus from "../protocol/ExporterStatus.ts"

/**
 * An exporter as the controller reports it. `online` and `status` are the exporter's last report: an exporter that hangs keeps both.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterInfo {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Deprecated labels. They are in `labels` only when hidden labels were requested. */
  readonly deprecatedLabels: Readonly<Record<string, string>>
  readonly online: boolean
  /** Whether the exporter can be leased without `allowDisabled`. */
  readonly enabled: boolean
  readonly status: ExporterStatus.ExporterStatus
  readonly statusMessage: string
}

/**
 * A Kubernetes condition of a lease. `type` is `Ready`, `Pending`, `Unsatisfiable` or `Invalid`, for example. `Pending` may stay true
 * after the lease is ready, so check `Ready` first.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeaseCondition {
  readonly type: string
  readonly status: "True" | "False" | "Unknown"
  readonly reason: string
  readonly message: string
}

/**
 * A lease as the controller reports it. Names are without `namespaces/…/`. Times have whole seconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeaseInfo {
  readonly name: string
  /** The selector as the controller formats it; none for a lease of an exporter by name. */
  readonly selector: Option.Option<string>
  /** The exporter that was requested by name. */
  readonly exporterName: Option.Option<string>
  /** The exporter that was assigned. */
  readonly exporter: Option.Option<string>
  /** The client that owns it. */
  readonly client: Option.Option<string>
  /** The whole duration, from the begin time. */
  readonly duration: Option.Option<Duration.Duration>
  /** How long the lease has run; none before it begins. */
  readonly effectiveDuration: Option.Option<Duration.Duration>
  readonly beginTime: Option.Option<DateTime.Utc>
  readonly endTime: Option.Option<DateTime.Utc>
  readonly effectiveBeginTime: Option.Option<DateTime.Utc>
  /** Only of a lease that has begun and ended. */
  readonly effectiveEndTime: Option.Option<DateTime.Utc>
  readonly conditions: ReadonlyArray<LeaseCondition>
  readonly tags: Readonly<Record<string, string>>
  readonly context: Readonly<Record<string, string>>
  readonly deprecatedLabels: Readonly<Record<string, string>>
  readonly allowDisabled: boolean
}

const lastPart = (name: string): string => name.slice(name.lastIndexOf("/") + 1)

const nameOf = (name: string | undefined): Option.Option<string> =>
  Option.map(Option.filter(Option.fromNullable(name), (name) => name !== ""), lastPart)

export const toDate = (timestamp: Timestamp | undefined): Option.Option<DateTime.Utc> =>
  timestamp === undefined ? Option.none() : Option.map(
    DateTime.make(Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1e6)),
    DateTime.toUtc
  )

const durationOf = (duration: WireDuration | undefined): Option.Option<Duration.Duration> =>
  duration === undefined
    ? Option.none()
    : Option.some(Duration.millis(Math.max(0, Number(duration.seconds) * 1000 + duration.nanos / 1e6)))

export const toTimestamp = (time: DateTime.Utc): Timestamp => {
  const seconds = Math.floor(time.epochMillis / 1000)
  return { seconds: BigInt(seconds), nanos: (time.epochMillis - seconds * 1000) * 1e6 }
}

export const toDuration = (duration: Duration.Duration): WireDuration => {
  const millis = Duration.toMillis(duration)
  const seconds = Math.floor(millis / 1000)
  return { seconds: BigInt(seconds), nanos: Math.floor((millis - seconds * 1000) * 1e6) }
}

const conditionOf = ({ message, reason, status, type }: Condition): LeaseCondition => ({
  type: type ?? "",
  status: status === "True" || status === "False" ? status : "Unknown",
  reason: reason ?? "",
  message: message ?? ""
})

export const exporterOf = (exporter: WireExporter): ExporterInfo => ({
  name: lastPart(exporter.name),
  labels: exporter.labels,
  deprecatedLabels: exporter.deprecatedLabels,
  online: exporter.online,
  enabled: exporter.enabled ?? true,
  status: ExporterStatus.fromNumber(exporter.status),
  statusMessage: exporter.statusMessage
})

// The controller's text for no selector.
const noSelector = "<none>"

export const leaseOf = (lease: WireLease): LeaseInfo => ({
  name: lastPart(lease.name),
  selector: Option.filter(Option.some(lease.selector), (selector) => selector !== "" && selector !== noSelector),
  exporterName: nameOf(lease.exporterName),
  exporter: nameOf(lease.exporter),
  client: nameOf(lease.client),
  duration: durationOf(lease.duration),
  effectiveDuration: durationOf(lease.effectiveDuration),
  beginTime: toDate(lease.beginTime),
  endTime: toDate(lease.endTime),
  effectiveBeginTime: toDate(lease.effectiveBeginTime),
  effectiveEndTime: toDate(lease.effectiveEndTime),
  conditions: lease.conditions.map(conditionOf),
  tags: lease.tags,
  context: lease.context,
  deprecatedLabels: lease.deprecatedLabels,
  allowDisabled: lease.allowDisabled
})

/** Whether a lease has ended (`protocol.md` 12.3). A lease that ended before it began has no end time, only conditions. */
export const isOver = ({ conditions, effectiveEndTime }: LeaseInfo): boolean =>
  Option.isSome(effectiveEndTime) ||
  conditions.some(({ status, type }) =>
    type === "Ready" ? status === "False" : (type === "Unsatisfiable" || type === "Invalid") && status === "True"
  )
