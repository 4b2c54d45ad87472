/**
 * Devices that are tested with tmt, the Test Management Tool: `jumpstarter_driver_tmt` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as forwarding from "./forwarding.ts"
import type * as Network from "./Network.ts"

/**
 * The contract. The driver's child `ssh`, which implements `Network.contract`, leads to the SSH server of the device.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Network, Tmt } from "@effect-jumpstarter/core/drivers"
 * import { Command } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * class BoardTests extends Device.Tag("acme/BoardTests", Tmt.contract)<BoardTests>() {}
 * class BoardSsh extends Device.Tag("acme/BoardSsh", Network.contract)<BoardSsh>() {}
 *
 * const smoke = Effect.gen(function*() {
 *   const board = yield* Tmt.provision({ tmt: yield* BoardTests, ssh: yield* BoardSsh })
 *   return yield* Command.exitCode(Command.make("tmt", ...Tmt.withProvision(["run", "-a", "plan", "--name", "smoke"], board)))
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_tmt.client.TMTClient", {
  /** The command with which tmt resets the device; empty without one. */
  get_reboot_cmd: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The command with which tmt resets the device; empty without one.",
    idempotent: true
  }),
  /** The user and the password to log in with; each is empty without a default. */
  get_default_user_pass: DriverMethod.call({
    result: Schema.Tuple(Schema.String, Schema.String),
    effect: "read",
    documentation: "The user and the password to log in with; each is empty without a default.",
    idempotent: true
  })
}, { driverType: "testing" })

/**
 * The client of such a driver.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * A device to which tmt can connect. What the driver has no default for is empty.
 *
 * @since 0.1.0
 * @category models
 */
export interface Guest {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: Redacted.Redacted
  readonly rebootCommand: string
}

/**
 * Forwards a local port to the SSH server of the device until the scope closes, and returns how tmt connects to it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const provision = (
  device: { readonly tmt: Client; readonly ssh: Pick<Network.Client, "connect"> },
  options: Network.PortForwardOptions = {}
): Effect.Effect<Guest, DriverCallError | Network.ListenError, Scope.Scope> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const [username, password] = yield* callers.on(caller, () => device.tmt.get_default_user_pass())
    const rebootCommand = yield* callers.on(caller, () => device.tmt.get_reboot_cmd())
    const { host, port } = yield* callers.on(caller, () => forwarding.portForward(device.ssh, options))
    return { host, port, username, password: Redacted.make(password), rebootCommand }
  })
}

// The words of tmt's command line that begin a step.
const steps = new Set([
  "cleanup",
  "discover",
  "execute",
  "finish",
  "login",
  "plan",
  "plans",
  "prepare",
  "provision",
  "reboot",
  "report",
  "run",
  "test"
])

/**
 * The arguments of a `tmt` that runs on a device. The step `provision` of the given arguments is replaced; without one, it is
 * added at the end of a `run`. Other commands, such as `tmt lint`, stay as they are.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withProvision = (args: ReadonlyArray<string>, guest: Guest): ReadonlyArray<string> => {
  const password = Redacted.value(guest.password)
  const step = [
    ...["provision", "-h", "connect", "-g", guest.host, "-P", String(guest.port)],
    ...guest.username === "" ? [] : ["-u", guest.username],
    ...password === "" ? [] : ["-p", password],
    ...guest.rebootCommand === "" ? [] : ["--feeling-safe", "--hard-reboot", guest.rebootCommand]
  ]
  const start = args.indexOf("provision")
  if (start < 0) return args.includes("run") ? [...args, ...step] : args
  const next = args.findIndex((arg, index) => index > start && steps.has(arg))
  return [...args.slice(0, start), ...step, ...next < 0 ? [] : args.slice(next)]
}
