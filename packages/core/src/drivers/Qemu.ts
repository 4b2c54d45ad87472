/**
 * Virtual machines in QEMU: `jumpstarter_driver_qemu` (`protocol.md` 14.1).
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
import type * as Resource from "../resource/Resource.ts"
import { held } from "./bracket.ts"
import * as Console from "./Console.ts"
import type * as Flasher from "./Flasher.ts"
import * as forwarding from "./forwarding.ts"
import type * as Network from "./Network.ts"
import type * as Power from "./Power.ts"
import type * as Serial from "./Serial.ts"

/**
 * The size of a disk or of a memory: a number of bytes, or a number with a unit, such as `512M` or `20G`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Size = Schema.String.pipe(
  Schema.pattern(/^\d+(\.\d+)?\s*[kmgtpe]?i?b?$/i, {
    message: () => "a size is a number with a unit, such as 512M or 20G"
  })
)

const settings = { result: Schema.String, effect: "read", idempotent: true } as const

/**
 * The contract. Its children are `power`, `flasher` and `console`, which implement `Power.contract`, `QemuFlasher.contract`
 * and `Serial.contract`, and `vnc`, which implements `Network.contract`. There may be others that implement
 * `Network.contract`: `ssh`, and what the exporter's configuration forwards.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Power, Qemu, QemuFlasher, Serial } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * const boots = Effect.gen(function*() {
 *   const machine = yield* Device.connectAll({
 *     qemu: [Qemu.contract, "qemu"],
 *     power: [Power.contract, "qemu.power"],
 *     flasher: [QemuFlasher.contract, "qemu.flasher"],
 *     console: [Serial.contract, "qemu.console"]
 *   })
 *   const root = yield* Resource.fromFile("disk.qcow2")
 *   const console = yield* Qemu.boot(machine, { images: { root }, memory: "2G" })
 *   yield* console.expect("login: ", { timeout: "5 minutes" })
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_qemu.client.QemuClient", {
  /** The name that a machine with cloud-init gives itself. */
  get_hostname: DriverMethod.call({
    ...settings,
    documentation: "The name that a machine with cloud-init gives itself."
  }),
  /** The user that a machine with cloud-init has. */
  get_username: DriverMethod.call({
    ...settings,
    documentation: "The user that a machine with cloud-init has."
  }),
  /** The password of the user. */
  get_password: DriverMethod.call({ ...settings, documentation: "The password of the user." }),
  /** Sets the size that the disk has from the next start on. A disk cannot shrink. */
  set_disk_size: DriverMethod.call({
    args: DriverMethod.named((size = Size) => [size]),
    documentation: "Sets the size that the disk has from the next start on. A disk cannot shrink.",
    idempotent: true
  }),
  /** Sets the size of the memory from the next start on. */
  set_memory_size: DriverMethod.call({
    args: DriverMethod.named((size = Size) => [size]),
    documentation: "Sets the size of the memory from the next start on.",
    idempotent: true
  })
}, { driverType: "composite" })

/**
 * The client of a virtual machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * What can be flashed: the disk `root`, the firmware `bios`, or both parts of an UEFI firmware.
 *
 * @since 0.1.0
 * @category models
 */
export type Partition = "root" | "bios" | "OVMF_CODE.fd" | "OVMF_VARS.fd"

/**
 * @since 0.1.0
 * @category models
 */
export interface BootOptions<E, R> {
  /** The images to write before the machine starts. The driver decompresses gzip, xz, bzip2 and zstd. */
  readonly images?: { readonly [Name in Partition]?: Resource.Source<void, E, R> } | undefined
  /** The size of the disk, such as `20G`. */
  readonly disk?: string | undefined
  /** The size of the memory, such as `2G`. */
  readonly memory?: string | undefined
  readonly console?: Console.ConsoleOptions | undefined
}

const partitions: ReadonlyArray<Partition> = ["bios", "OVMF_CODE.fd", "OVMF_VARS.fd", "root"]

/**
 * Writes images, starts the machine, and opens its console. The machine stops when the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const boot = <E = never, R = never>(
  machine: {
    readonly qemu: Pick<Client, "set_disk_size" | "set_memory_size">
    readonly power: Pick<Power.Client, "on" | "off">
    readonly flasher: Pick<Flasher.Client, "flash">
    readonly console: Pick<Serial.Client, "connect">
  },
  { console, disk, images = {}, memory }: BootOptions<E, R> = {}
): Effect.Effect<Console.Console<DriverCallError>, DriverCallError | E, R | Scope.Scope> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    for (const partition of partitions) {
      const image = images[partition]
      if (image !== undefined) yield* callers.on(caller, () => machine.flasher.flash(image, partition))
    }
    if (disk !== undefined) yield* callers.on(caller, () => machine.qemu.set_disk_size(disk))
    if (memory !== undefined) yield* callers.on(caller, () => machine.qemu.set_memory_size(memory))
    yield* held(
      "the power of a virtual machine",
      callers.on(caller, () => machine.power.on()),
      () => callers.on(caller, () => machine.power.off()),
      "1 minute"
    )
    return yield* Console.make(yield* callers.on(caller, () => machine.console.connect()), console)
  })
}

/**
 * Where and how to log in to a machine over SSH.
 *
 * @since 0.1.0
 * @category models
 */
export interface SshLogin {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: Redacted.Redacted
}

/**
 * Forwards a local port to the SSH server of a machine until the scope closes, and returns how to log in. `ssh` is the child
 * of this name, or the one to which the exporter's configuration forwards port 22.
 *
 * @since 0.1.0
 * @category constructors
 */
export const forwardSsh = (
  machine: {
    readonly qemu: Pick<Client, "get_username" | "get_password">
    readonly ssh: Pick<Network.Client, "connect">
  },
  options: Network.PortForwardOptions = {}
): Effect.Effect<SshLogin, DriverCallError | Network.ListenError, Scope.Scope> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const username = yield* callers.on(caller, () => machine.qemu.get_username())
    const password = yield* callers.on(caller, () => machine.qemu.get_password())
    const { host, port } = yield* callers.on(caller, () => forwarding.portForward(machine.ssh, options))
    return { host, port, username, password: Redacted.make(password) }
  })
}
