// What a program asks for. Lease re-exports it.
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type { ConnectOptions } from "../client/ExporterConnection.ts"

/**
 * Which exporter is leased: one whose labels match a selector, one by its name, or one by its name if its labels match.
 *
 * @since 0.1.0
 * @category models
 */
export type Target =
  | { readonly selector: string; readonly exporterName?: string | undefined }
  | { readonly selector?: undefined; readonly exporterName: string }

/**
 * When a lease is extended, and by how much. A refused extension is logged as a warning, and tried again while there is time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Extension {
  readonly by: Duration.DurationInput
  /** How much time is left when the lease is extended. */
  readonly whenLeft: Duration.DurationInput
  /** The longest duration in all, from the begin of the lease. */
  readonly upTo: Duration.DurationInput
}

/**
 * Options of a lease that exists already.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttachOptions {
  /**
   * How long to wait for an exporter, from the begin of the lease. Unless given, it is the `acquisitionTimeout` of the client's
   * configuration, which is 2 hours unless configured.
   */
  readonly waitAtMost?: Duration.DurationInput | undefined
  /** Extends the lease while it is used. Unless given, it is not extended. */
  readonly extend?: Extension | undefined
  /** Options of the connection. Unless given, it reconnects for as long as the lease lives. */
  readonly connect?: Omit<ConnectOptions, "leased"> | undefined
}

/**
 * A lease to create.
 *
 * @since 0.1.0
 * @category models
 */
export type LeaseRequest = Target & AttachOptions & {
  /** How long the lease lasts in all, from its begin. */
  readonly duration: Duration.DurationInput
  /** When it begins, in whole seconds; at once unless given. */
  readonly beginTime?: DateTime.Utc | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** How long the exporter's afterLease hook may take at the end; 5 minutes unless given. */
  readonly afterLease?: Duration.DurationInput | undefined
}

/**
 * A lease to create together with others. It begins when all of them have an exporter: a lease that is scheduled reserves none, so a
 * set has no begin of its own. Of `waitAtMost` the shortest of the set counts.
 *
 * @since 0.1.0
 * @category models
 */
export type MemberRequest = LeaseRequest & { readonly beginTime?: undefined }

/** What is requested, in words. */
export const describe = ({ exporterName, selector }: Target): string =>
  [
    ...(exporterName === undefined ? [] : [`the exporter ${exporterName}`]),
    ...(selector === undefined ? [] : [`the selector ${JSON.stringify(selector)}`])
  ].join(" with ")
