/**
 * Android in the emulator of its SDK: `jumpstarter_driver_androidemulator` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import { held } from "./bracket.ts"
import * as forwarding from "./forwarding.ts"
import type * as Network from "./Network.ts"
import type * as Power from "./Power.ts"

/**
 * The contract. Its children are `power`, which implements `Power.contract` and starts the emulator, and `adb`, which implements
 * `Adb.contract` and `Network.contract`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { AndroidEmulator, Network, Power } from "@effect-jumpstarter/core/drivers"
 * import { Command } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const devices = Effect.gen(function*() {
 *   const phone = yield* Device.connectAll({
 *     emulator: [AndroidEmulator.contract, "phone"],
 *     power: [Power.contract, "phone.power"],
 *     adb: [Network.contract, "phone.adb"]
 *   })
 *   const { host, port } = yield* AndroidEmulator.boot(phone)
 *   return yield* Command.string(Command.make("adb", "-H", host, "-P", String(port), "wait-for-device", "devices"))
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_androidemulator.client.AndroidEmulatorClient", {
  /** Sets whether the emulator has no window, from its next start on. */
  set_headless: DriverMethod.call({
    args: DriverMethod.named((headless = Schema.Boolean) => [headless]),
    documentation: "Sets whether the emulator has no window, from its next start on.",
    idempotent: true
  })
}, { driverType: "composite" })

/**
 * The client of an emulator.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface BootOptions extends Network.PortForwardOptions {
  /** Whether the emulator has no window. By default, the exporter's configuration says. */
  readonly headless?: boolean | undefined
}

/**
 * Starts the emulator, and forwards a local port to its ADB server. The emulator stops when the scope closes. Android takes a
 * while to boot: `adb wait-for-device` waits for it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const boot = (
  phone: {
    readonly emulator: Client
    readonly power: Pick<Power.Client, "on" | "off">
    readonly adb: Pick<Network.Client, "connect">
  },
  { headless, ...forwarded }: BootOptions = {}
): Effect.Effect<
  { readonly host: string; readonly port: number },
  DriverCallError | Network.ListenError,
  Scope.Scope
> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    if (headless !== undefined) yield* callers.on(caller, () => phone.emulator.set_headless(headless))
    yield* held(
      "the power of an emulator",
      callers.on(caller, () => phone.power.on()),
      () => callers.on(caller, () => phone.power.off()),
      "1 minute"
    )
    return yield* callers.on(caller, () => forwarding.portForward(phone.adb, forwarded))
  })
}
