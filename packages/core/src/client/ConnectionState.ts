/**
 * Whether a connection to an exporter stands.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * - `Ready`: the last that was heard from the exporter was an answer
 * - `Lost`: the connection ended, it was given up because nothing was answered any more, or another instance of the exporter
 *   answered. Without a policy for reconnecting the next call connects anew, and asks who is there before it is sent; with
 *   one, it has given up, until the next call.
 * - `Connecting`: the connection is re-established, by the policy; calls wait for the outcome. `reason` is why it is not
 *   there yet.
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
