/**
 * File systems of devices, mounted over SSH: `jumpstarter_driver_ssh_mount` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as forwarding from "./forwarding.ts"
import type * as Network from "./Network.ts"
import type * as Ssh from "./Ssh.ts"

/**
 * The contract. It has no methods: the child `ssh`, which implements `Ssh.contract`, says how to log in, and the child `tcp` of
 * that one, which implements `Network.contract`, leads to the device. `sshfs` runs on the client's machine.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Network, Ssh, SshMount } from "@effect-jumpstarter/core/drivers"
 * import { Command } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * class BoardShell extends Device.Tag("acme/BoardShell", Ssh.contract)<BoardShell>() {}
 * class BoardPort extends Device.Tag("acme/BoardPort", Network.contract)<BoardPort>() {}
 *
 * // sshfs runs until the scope closes.
 * const mount = Effect.gen(function*() {
 *   const args = yield* SshMount.sshfs({ ssh: yield* BoardShell, tcp: yield* BoardPort }, { mountpoint: "/mnt/board" })
 *   return yield* Command.start(Command.make("sshfs", "-f", ...args))
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_ssh_mount.client.SSHMountClient", {}, {
  driverType: "composite"
})

/**
 * @since 0.1.0
 * @category models
 */
export interface SshfsOptions {
  /** The local directory. */
  readonly mountpoint: string
  /** The directory on the device; `/` by default. */
  readonly remotePath?: string | undefined
  /** A file with the private key to log in with. `Ssh.login` has the text of the key, if the driver has one. */
  readonly identityFile?: string | undefined
  /** Further options of sshfs, such as `reconnect`. */
  readonly options?: ReadonlyArray<string> | undefined
}

/**
 * Forwards a local port to the device until the scope closes, and returns the arguments with which `sshfs` mounts the device's
 * file system. Host keys are not checked, because the forwarded port is another one each time.
 *
 * @since 0.1.0
 * @category constructors
 */
export const sshfs = (
  device: { readonly ssh: Pick<Ssh.Client, "get_default_username">; readonly tcp: Pick<Network.Client, "connect"> },
  { identityFile, mountpoint, options = [], remotePath = "/" }: SshfsOptions
): Effect.Effect<ReadonlyArray<string>, DriverCallError | Network.ListenError, Scope.Scope> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const username = yield* callers.on(caller, () => device.ssh.get_default_username())
    const { host, port } = yield* callers.on(caller, () => forwarding.portForward(device.tcp))
    const settings = [
      ...options,
      "StrictHostKeyChecking=no",
      "UserKnownHostsFile=/dev/null",
      "LogLevel=ERROR",
      ...identityFile === undefined ? [] : [`IdentityFile=${identityFile}`]
    ]
    return [
      `${username === "" ? "" : `${username}@`}${host}:${remotePath}`,
      mountpoint,
      "-p",
      String(port),
      ...settings.flatMap((setting) => ["-o", setting])
    ]
  })
}
