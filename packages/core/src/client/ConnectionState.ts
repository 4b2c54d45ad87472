/**
 * The state of a connection to an exporter.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * - `Ready`: the exporter answered last time
 * - `Lost`: the connection ended, was given up because the exporter no longer answers, or another instance of the exporter
 *   answered. Without a `reconnect` policy the next call connects again and checks which exporter is there before the call
 *   is sent. With a policy, reconnecting was given up until the next call.
 * - `Connecting`: the policy is reconnecting, and calls wait for the outcome. `reason` says why the last attempt failed.
 * - `Closed`: the scope of the connection has closed
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { ConnectionState, ExporterConnection } from "@effect-jumpstarter/core"
 * import { Effect, Stream } from "effect"
 *
 * const { $match } = ConnectionState.ConnectionState
 *
 * const report = Effect.gen(function*() {
 *   const { stateChanges } = yield* ExporterConnection.ExporterConnection
 *   yield* Stream.runForEach(
 *     stateChanges,
 *     $match({
 *       Ready: () => Effect.log("the exporter is there"),
 *       Lost: ({ reason }) => Effect.logWarning("the exporter is gone", reason),
 *       Connecting: ({ attempt }) => Effect.logInfo("connecting", attempt),
 *       Closed: () => Effect.void
 *     })
 *   )
 * })
 * ```
 */
export type ConnectionState = Data.TaggedEnum<{
  readonly Ready: {}
  readonly Lost: { readonly reason: string }
  readonly Connecting: { readonly attempt: number; readonly reason: string }
  readonly Closed: {}
}>

/**
 * The constructors of the states, and `$is` and `$match` to tell them apart.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ConnectionState = Data.taggedEnum<ConnectionState>()
