/**
 * The disks of virtual machines in QEMU: `jumpstarter_driver_qemu` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as family from "./family/flasher.ts"
import { ProcessOutput } from "./family/processOutput.ts"

const optionalText = DriverMethod.optional(Schema.String)

/**
 * The contract. A target is `root`, `bios`, `OVMF_CODE.fd` or `OVMF_VARS.fd`; `root` by default. `flash` decompresses gzip, xz,
 * bzip2 and zstd.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { QemuFlasher } from "@effect-jumpstarter/core/drivers"
 * import { Console, Effect } from "effect"
 *
 * class MachineDisk extends Device.Tag("acme/MachineDisk", QemuFlasher.contract)<MachineDisk>() {}
 *
 * const install = Effect.flatMap(MachineDisk, (disk) =>
 *   QemuFlasher.flashOci(disk, "oci://registry.example/board/image:latest", { onOutput: (text) => Console.log(text) }))
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_qemu.client.QemuFlasherClient", {
  ...family.flashing,
  ...family.dumping,
  /** Writes an image of an OCI registry, and streams the output of the program that does so. The address begins with oci://. */
  flash_oci: DriverMethod.streamingCall({
    args: DriverMethod.named((
      url = Schema.String,
      target = optionalText,
      username = optionalText,
      password = optionalText
    ) => [
      url,
      target,
      username,
      password
    ]),
    item: ProcessOutput,
    effect: "destructive",
    documentation:
      "Writes an image of an OCI registry, and streams the output of the program that does so. The address begins with oci://."
  })
}, { driverType: "storage" })

/**
 * The client of such a flasher.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface FlashOciOptions {
  readonly target?: string | undefined
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted | undefined
  /** Called with each piece of what the program prints, such as its progress. */
  readonly onOutput?: ((text: string) => Effect.Effect<void>) | undefined
}

/**
 * Writes an image of an OCI registry, such as `oci://registry.example/board/image:latest`. Fails with a `DriverError` when the
 * program on the exporter fails.
 *
 * @since 0.1.0
 * @category combinators
 */
export const flashOci = (
  flasher: Pick<Client, "flash_oci">,
  url: string,
  { onOutput = () => Effect.void, password, target, username }: FlashOciOptions = {}
): Effect.Effect<void, DriverCallError> =>
  callers.on(
    callers.of(),
    () =>
      flasher.flash_oci(url, target, username, password === undefined ? undefined : Redacted.value(password)).pipe(
        Stream.map(([stdout, stderr]) => stdout + stderr),
        Stream.filter((text) => text !== ""),
        Stream.runForEach(onOutput)
      )
  )
