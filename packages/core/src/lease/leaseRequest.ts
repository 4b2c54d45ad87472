// What is asked for. Lease re-exports it.
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type { ConnectOptions } from "../client/ExporterConnection.ts"

/**
 * Which exporter is leased: one that a selector fits, one by its name, or one by its name if the selector fits.
 *
 * @since 0.1.0
 * @category models
 */
export type Target =
  | { readonly selector: string; readonly exporterName?: string | undefined }
  | { readonly selector?: undefined; readonly exporterName: string }

/**
 * When a lease is extended, and by how much. An extension that is refused is tried again while there is time, with a warning each time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Extension {
  readonly by: Duration.DurationInput
  /** How much of the lease is left then. */
  readonly whenLeft: Duration.DurationInput
  /** How long it may become in all, from its begin. */
  readonly upTo: Duration.DurationInput
}

/**
 * A lease to be had.
 *
 * @since 0.1.0
 * @category models
 */
export type LeaseRequest = Target & {
  /** In all, from the begin. */
  readonly duration: Duration.DurationInput
  /** When it begins, in whole seconds; at once unless given. */
  readonly beginTime?: DateTime.Utc | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** How long it may have no exporter, from its begin; 2 hours unless given. */
  readonly waitAtMost?: Duration.DurationInput | undefined
  /** Whether the lease grows while it is used; it does not unless given. */
  readonly extend?: Extension | undefined
  /** How long the afterLease hook of the exporter may take at the end; 5 minutes unless given. */
  readonly afterLease?: Duration.DurationInput | undefined
  /** Options of the connection. Unless given, it connects again for as long as the lease lives. */
  readonly connect?: Omit<ConnectOptions, "leased"> | undefined
}

/** What is asked for, in words. */
export const describe = ({ exporterName, selector }: Target): string =>
  [
    ...(exporterName === undefined ? [] : [`the exporter ${exporterName}`]),
    ...(selector === undefined ? [] : [`the selector ${JSON.stringify(selector)}`])
  ].join(" with ")
