/**
 * How far a lease is, from the request to its end.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as DateTime from "effect/DateTime"
import type { LeaseEnded } from "../protocol/LeaseEnded.ts"

/**
 * Why a lease has no exporter yet.
 *
 * - `Offline`: none of those that fit is online
 * - `NotAvailable`: all of them are leased
 * - `NotReady`: one is free, and is still cleaning up after the lease before
 * - `Other`: something that this version does not know; the message has it
 *
 * @since 0.1.0
 * @category models
 */
export type WaitingReason = "Offline" | "NotAvailable" | "NotReady" | "Other"

/**
 * - `Requested`: the controller has not looked at it yet
 * - `Scheduled`: it begins later
 * - `Waiting`: there is no exporter for it yet; `message` is the controller's
 * - `Acquired`: it has an exporter, and the connection is being made
 * - `Connected`: the exporter is connected and ready
 * - `Ended`: it is over, and stays so
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
