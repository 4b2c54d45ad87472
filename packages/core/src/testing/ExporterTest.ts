/**
 * A whole exporter in memory, with the connection to it, as one layer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Driver from "../Driver.ts"
import * as Exporter from "../Exporter.ts"
import * as ExporterConnection from "../ExporterConnection.ts"
import * as GrpcChannel from "../GrpcChannel.ts"

/**
 * Hosts drivers by name and connects to them. It is the real host and the real client: every message is encoded and
 * decoded, and every failure travels as a status; only the socket is missing. What drivers log is in the connection's log
 * only, unless `localLogs` asks for more.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Driver, ExporterConnection } from "@effect-jumpstarter/core"
 * import { ExporterTest } from "@effect-jumpstarter/core/testing"
 * import { Effect, Ref } from "effect"
 *
 * const test = Effect.gen(function*() {
 *   const on = yield* Ref.make(false)
 *   const power = Driver.make({
 *     client: "jumpstarter_driver_power.client.PowerClient",
 *     methods: { on: Driver.call(() => Ref.set(on, true)) }
 *   })
 *   yield* ExporterConnection.driver("power").pipe(
 *     Effect.flatMap((client) => client.call("on")),
 *     Effect.provide(ExporterTest.layer({ power }))
 *   )
 *   return yield* Ref.get(on) // true
 * })
 * ```
 */
export const layer = (
  drivers: Readonly<Record<string, Driver.Driver>>,
  options?: Exporter.ExporterOptions
): Layer.Layer<ExporterConnection.ExporterConnection, ExporterConnection.ConnectError> =>
  Layer.scoped(
    ExporterConnection.ExporterConnection,
    Effect.gen(function*() {
      const exporter = yield* Exporter.make(Driver.composite(drivers), { localLogs: false, ...options })
      const channel = yield* GrpcChannel.fromHandlers(exporter.handlers)
      return yield* ExporterConnection.fromChannel(channel)
    })
  )
