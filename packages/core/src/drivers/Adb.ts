/**
 * Android Debug Bridge: `jumpstarter_driver_adb`.
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
import * as family from "./family/network.ts"
import * as forwarding from "./forwarding.ts"

const oneDevice = DriverMethod.named((device = Schema.NonEmptyString) => [device])

/**
 * The contract. `connect` opens a connection to the ADB server of the exporter.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Adb } from "@effect-jumpstarter/core/drivers"
 * import { Command } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * class Phones extends Device.Tag("acme/Phones", Adb.contract)<Phones>() {}
 *
 * const model = Effect.gen(function*() {
 *   const { env } = yield* Adb.forward(yield* Phones)
 *   return yield* Command.string(Command.make("adb", "shell", "getprop", "ro.product.model").pipe(Command.env(env)))
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_adb.client.AdbClient", {
  ...family.connecting,
  /** The address of the ADB server, as the exporter sees it. */
  address: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The address of the ADB server, as the exporter sees it.",
    idempotent: true
  }),
  /** Starts the ADB server and returns its port. A failure is only in the exporter's log. */
  start_server: DriverMethod.call({
    result: Schema.Int,
    documentation: "Starts the ADB server and returns its port. A failure is only in the exporter's log.",
    idempotent: true
  }),
  /** Ends the ADB server and returns its port. A failure is only in the exporter's log. */
  kill_server: DriverMethod.call({
    result: Schema.Int,
    documentation: "Ends the ADB server and returns its port. A failure is only in the exporter's log.",
    idempotent: true
  }),
  /** What `adb devices -l` prints. */
  list_devices: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "What `adb devices -l` prints.",
    idempotent: true
  }),
  /** Connects the ADB server to a device at an address, such as 10.0.0.7:5555, and returns what adb prints. */
  connect_device: DriverMethod.call({
    args: oneDevice,
    result: Schema.String,
    optional: true,
    documentation:
      "Connects the ADB server to a device at an address, such as 10.0.0.7:5555, and returns what adb prints.",
    idempotent: true
  }),
  /** Disconnects the ADB server from a device, and returns what adb prints. */
  disconnect_device: DriverMethod.call({
    args: oneDevice,
    result: Schema.String,
    optional: true,
    documentation: "Disconnects the ADB server from a device, and returns what adb prints.",
    idempotent: true
  })
}, { driverType: "network" })

/**
 * The client of an ADB server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * A device that the server knows. `state` is `device` when it can be used, or a word such as `unauthorized` or `offline`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AndroidDevice {
  readonly serial: string
  readonly state: string
  /** What the server knows besides, such as `model` and `transport_id`. */
  readonly properties: Readonly<Record<string, string>>
}

/**
 * The exporter could not list its devices.
 *
 * @since 0.1.0
 * @category errors
 */
export class AdbFailed extends Schema.TaggedError<AdbFailed>(
  "@effect-jumpstarter/core/drivers/Adb/AdbFailed"
)("AdbFailed", { output: Schema.String }) {
  override get message(): string {
    return `adb on the exporter could not list the devices: ${this.output}`
  }
}

const toDevice = (line: string): ReadonlyArray<AndroidDevice> => {
  const [, serial, state, rest] = /^(\S+)\s+(no permissions|\S+)(.*)$/.exec(line) ?? []
  return serial === undefined || state === undefined
    ? []
    : [{
      serial,
      state,
      properties: Object.fromEntries(Array.from(rest?.matchAll(/(\w+):(\S+)/g) ?? [], ([, key, value]) => [key, value]))
    }]
}

/**
 * The devices that the server knows.
 *
 * @since 0.1.0
 * @category combinators
 */
export const devices = (
  adb: Pick<Client, "list_devices">
): Effect.Effect<ReadonlyArray<AndroidDevice>, DriverCallError | AdbFailed> => {
  const caller = callers.of()
  return Effect.flatMap(callers.on(caller, () => adb.list_devices()), (output) => {
    // The driver returns its failure as text.
    if (output.startsWith("Error: ")) {
      return Effect.fail(callers.blame(new AdbFailed({ output: output.slice("Error: ".length) }), { caller }))
    }
    return Effect.succeed(output.split(/\r?\n/).filter((line) => !/^(List of devices|\*)/.test(line)).flatMap(toDevice))
  })
}

/**
 * A local port that leads to an ADB server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Forwarded extends forwarding.ForwardedPort {
  /** The environment in which the `adb` of this machine uses that server. */
  readonly env: { readonly ANDROID_ADB_SERVER_ADDRESS: string; readonly ANDROID_ADB_SERVER_PORT: string }
}

/**
 * Forwards a local TCP port to the ADB server while the scope is open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const forward = (
  adb: Pick<Client, "connect">,
  options: forwarding.PortForwardOptions = {}
): Effect.Effect<Forwarded, forwarding.ListenError, Scope.Scope> =>
  Effect.map(
    callers.on(callers.of(), () => forwarding.portForward(adb, options)),
    ({ host, port }) => ({
      host,
      port,
      env: { ANDROID_ADB_SERVER_ADDRESS: host, ANDROID_ADB_SERVER_PORT: String(port) }
    })
  )
