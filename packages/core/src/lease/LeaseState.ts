/**
 * The states of a lease, from the request to the end.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as DateTime from "effect/DateTime"
import type { LeaseEnded } from "../protocol/LeaseEnded.ts"

/**
 * Why a lease has no exporter yet.
 *
 * - `Offline`: no exporter that matches is online
 * - `NotAvailable`: all exporters that match are leased
 * - `NotReady`: an exporter is free, but still cleans up after its previous lease
 * - `Other`: a reason that this version does not know; see the message
 *
 * @since 0.1.0
 * @category models
 */
export type WaitingReason = "Offline" | "NotAvailable" | "NotReady" | "Other"

/**
 * The state of a lease.
 *
 * - `Requested`: the controller has not processed the request yet
 * - `Scheduled`: the lease begins later
 * - `Waiting`: there is no exporter for it yet; `message` is the controller's reason
 * - `Acquired`: it has an exporter, and the program connects to it
 * - `Connected`: the exporter is connected and ready
 * - `Ended`: the lease has ended; there are no further states
 *
 * @since 0.1.0
 * @category models
 */
export type LeaseState = Data.TaggedEnum<{
  readonly Requested: {}
  readonly Scheduled: { readonly begins: DateTime.Utc }
  readonly Waiting: { readonly reason: WaitingReason; readonly message: string }
  readonly Acquired: { readonly exporter: string }
  readonly Connected: {}
  readonly Ended: { readonly end: LeaseEnded }
}>

/**
 * The constructors of the states, and `$is` and `$match` to tell them apart.
 *
 * @since 0.1.0
 * @category constructors
 */
export const LeaseState = Data.taggedEnum<LeaseState>()
