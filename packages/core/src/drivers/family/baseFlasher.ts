// The methods of flashers that let a board flash itself.
import * as Schema from "effect/Schema"
import * as DriverMethod from "../../contract/DriverMethod.ts"

const text = { result: Schema.String, effect: "read", idempotent: true } as const
const optionalText = { result: Schema.NullOr(Schema.String), effect: "read", idempotent: true } as const

export const bundling = {
  /** The target that the exporter's configuration names; null if it names none. */
  get_default_target: DriverMethod.call({
    ...optionalText,
    documentation: "The target that the exporter's configuration names; null if it names none."
  }),
  /** The certificate with which the board checks HTTPS servers, as PEM; null for the usual ones. */
  get_cacert: DriverMethod.call({
    ...optionalText,
    documentation: "The certificate with which the board checks HTTPS servers, as PEM; null for the usual ones."
  }),
  /** Puts a program that writes images where the board can fetch it. */
  setup_fls_binary: DriverMethod.call({
    optional: true,
    documentation: "Puts a program that writes images where the board can fetch it.",
    idempotent: true
  }),
  /** Fetches the bundle, or another one, and puts its files where U-Boot loads them from. */
  setup_flasher_bundle: DriverMethod.call({
    args: DriverMethod.named((bundle = DriverMethod.optional(Schema.String)) => [bundle]),
    documentation: "Fetches the bundle, or another one, and puts its files where U-Boot loads them from.",
    idempotent: true
  }),
  /** Takes a device tree from the client. The published drivers do not implement it. */
  set_dtb: DriverMethod.call({
    args: DriverMethod.named((dtb = DriverMethod.source) => [dtb]),
    optional: true,
    documentation: "Takes a device tree from the client. The published drivers do not implement it.",
    idempotent: true
  }),
  /** Chooses a device tree of the bundle. */
  use_dtb_variant: DriverMethod.call({
    args: DriverMethod.named((variant = Schema.String) => [variant]),
    documentation: "Chooses a device tree of the bundle.",
    idempotent: true
  }),
  /** The manifest of the bundle, as YAML. */
  get_flasher_manifest_yaml: DriverMethod.call({ ...text, documentation: "The manifest of the bundle, as YAML." }),
  /** The name of the kernel's file. */
  get_kernel_filename: DriverMethod.call({ ...text, documentation: "The name of the kernel's file." }),
  /** The name of the file with the initial file system; null without one. */
  get_initram_filename: DriverMethod.call({
    ...optionalText,
    documentation: "The name of the file with the initial file system; null without one."
  }),
  /** The name of the device tree's file; empty without one. */
  get_dtb_filename: DriverMethod.call({
    ...text,
    documentation: "The name of the device tree's file; empty without one."
  }),
  /** The address in memory to which the device tree is loaded; null without one. */
  get_dtb_address: DriverMethod.call({
    ...optionalText,
    documentation: "The address in memory to which the device tree is loaded; null without one."
  }),
  /** The address in memory to which the kernel is loaded. */
  get_kernel_address: DriverMethod.call({
    ...text,
    documentation: "The address in memory to which the kernel is loaded."
  }),
  /** The address in memory to which the initial file system is loaded; null without one. */
  get_initram_address: DriverMethod.call({
    ...optionalText,
    documentation: "The address in memory to which the initial file system is loaded; null without one."
  }),
  /** The command with which U-Boot starts the kernel. */
  get_bootcmd: DriverMethod.call({ ...text, documentation: "The command with which U-Boot starts the kernel." })
}
