// The leases and exporters of the stand-in as tests see them.
import type { ExporterStatus } from "../../protocol/ExporterStatus.ts"
import type { Lease } from "./lease.ts"
import type { ExporterObject } from "./registry.ts"

/**
 * A lease as tests see it.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeaseView {
  readonly name: string
  readonly client: string
  /** Absent until the lease gets one. */
  readonly exporter: string | undefined
  /** The reason of its last condition, such as `Ready`, `Offline` or `Expired`; absent until the controller has checked the lease. */
  readonly reason: string | undefined
  readonly ended: boolean
}

/**
 * An exporter as tests see it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterView {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly online: boolean
  readonly status: ExporterStatus
  readonly message: string
  /** The number of drivers that it registered. */
  readonly drivers: number
  /** The name of the lease that holds the exporter. */
  readonly lease: string | undefined
}

export const ofLease = (lease: Lease): LeaseView => ({
  name: lease.name,
  client: lease.client,
  exporter: lease.exporter,
  reason: lease.conditions.at(-1)?.reason,
  ended: lease.ended
})

/** The lease is the one that holds the exporter. */
export const ofExporter = (
  { devices, labels, message, name, online, status }: ExporterObject,
  lease: Lease | undefined
): ExporterView => ({ name, labels, online, status, message, drivers: devices.length, lease: lease?.name })
