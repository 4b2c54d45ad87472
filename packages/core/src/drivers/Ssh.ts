/**
 * Settings for logging in to a device over SSH (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as interruptible from "../util/interruptible.ts"

/**
 * The contract. The driver's child `tcp`, which implements `Network.contract`, opens the connection.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Ssh } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardShell extends Device.Tag("acme/BoardShell", Ssh.contract)<BoardShell>() {}
 *
 * const login = Effect.map(
 *   Effect.flatMap(BoardShell, Ssh.login),
 *   ({ command, username }) => `${command} -l ${username}`
 * )
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_ssh.client.SSHWrapperClient", {
  /** The user to log in as; empty without a default. */
  get_default_username: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The user to log in as; empty without a default.",
    idempotent: true
  }),
  /** The ssh command to run locally, with its options. */
  get_ssh_command: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The ssh command to run locally, with its options.",
    idempotent: true
  }),
  /** The private key to log in with, or null. */
  get_ssh_identity: DriverMethod.call({
    result: Schema.NullOr(Schema.String),
    effect: "read",
    documentation: "The private key to log in with, or null.",
    idempotent: true
  })
}, { driverType: "network" })

/**
 * The client of an SSH driver.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * The settings for logging in. The username is empty when the driver has no default.
 *
 * @since 0.1.0
 * @category models
 */
export interface Login {
  readonly username: string
  /** The command with its options, such as `ssh -o StrictHostKeyChecking=no`. */
  readonly command: string
  /** A private key in the text form that `ssh -i` reads from a file. */
  readonly identity: string | null
}

/**
 * Returns all settings for logging in.
 *
 * @since 0.1.0
 * @category combinators
 */
export const login = (ssh: Client): Effect.Effect<Login, DriverCallError> =>
  callers.on(callers.of(), () =>
    Effect.map(
      interruptible.both(
        interruptible.both(ssh.get_default_username(), ssh.get_ssh_command()),
        ssh.get_ssh_identity()
      ),
      ([[username, command], identity]) => ({ username, command, identity })
    ))
