/**
 * An exporter in memory and a connection to it, as one layer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as ExporterConnection from "../client/ExporterConnection.ts"
import * as Driver from "../host/Driver.ts"
import * as Exporter from "../host/Exporter.ts"
import * as callers from "../protocol/callerFrame.ts"
import * as GrpcChannel from "../transport/GrpcChannel.ts"

/**
 * Hosts drivers by name and connects to them, with the real host and the real client: every message is encoded and
 * decoded, and every failure travels as a status. Only the socket is missing. The caller's error has the driver's error
 * or defect as its `cause`, so that a failing test shows the driver's stack. The logs of drivers appear only in the
 * connection's log, unless `localLogs` is set.
 *
 * A `TestClock`, which `it.effect` and `it.scoped` provide, also holds the time limits and sleeps of the program and of the
 * drivers here: they end only when the test adjusts the clock. There is no warning about that, unlike with a real exporter,
 * because adjusting the clock is how such a test makes time pass. A test that has no reason to do so runs with `it.live` or
 * `it.scopedLive`.
 *
 * An effect, which may be scoped, can create the drivers. Their resources are released with the layer, after the last
 * call. Handlers use the services of the layer.
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
export const layer = <Child extends Driver.Driver<unknown> = never, E = never, R = never>(
  drivers: Readonly<Record<string, Child>> | Effect.Effect<Readonly<Record<string, Child>>, E, R>,
  options?: Exporter.ExporterOptions
): Layer.Layer<
  ExporterConnection.ExporterConnection,
  ExporterConnection.ConnectError | E,
  Exclude<R, Scope.Scope> | Driver.Services<Child>
> => {
  const caller = callers.of()
  return Layer.scoped(
    ExporterConnection.ExporterConnection,
    Effect.gen(function*() {
      const root = Driver.composite(Effect.isEffect(drivers) ? yield* drivers : drivers)
      const exporter = yield* Effect.mapError(
        Exporter.make(root, { localLogs: false, ...options }),
        (cause) =>
          callers.blame(
            new ExporterConnection.ConnectError({
              address: "memory",
              reason: "Unreachable",
              details: cause.message,
              cause
            }),
            { caller }
          )
      )
      const channel = yield* GrpcChannel.fromHandlers(exporter.handlers)
      return yield* callers.on(caller, () => ExporterConnection.fromChannel(channel))
    })
  )
}
