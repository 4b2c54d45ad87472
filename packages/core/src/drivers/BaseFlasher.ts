/**
 * Boards that flash themselves: U-Boot starts a small system from the network, which fetches the image over HTTP and writes it:
 * `jumpstarter_driver_flashers` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type { ContentEncodingError } from "../resource/ContentEncoding.ts"
import * as interruptible from "../util/interruptible.ts"
import * as deviceShell from "./baseFlasher/deviceShell.ts"
import * as fls from "./baseFlasher/fls.ts"
import * as images from "./baseFlasher/image.ts"
import { type InvalidManifest, type Manifest, manifest } from "./baseFlasher/manifest.ts"
import { held } from "./bracket.ts"
import * as commands from "./commands.ts"
import type * as Console from "./Console.ts"
import * as family from "./family/baseFlasher.ts"
import type * as HttpServer from "./HttpServer.ts"
import * as Opendal from "./Opendal.ts"
import type * as Power from "./Power.ts"
import type * as Serial from "./Serial.ts"
import type * as Tftp from "./Tftp.ts"
import * as Uboot from "./Uboot.ts"

export { type Image, InvalidImage, type RegistryCredentials } from "./baseFlasher/image.ts"
export { InvalidManifest, Manifest, manifest } from "./baseFlasher/manifest.ts"

/**
 * The contract. The driver's children are `uboot`, `power`, `serial`, `tftp` and `http`, which implement `Uboot.contract`,
 * `Power.contract`, `Serial.contract`, `Tftp.contract` and `HttpServer.contract`. A bundle is an OCI image with a kernel, an
 * initial file system, a device tree, and a manifest that says how to start them and which targets the board has.
 *
 * The driver has no `flash` of its own: the client does the steps. The function `flash` of this module does all of them.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { BaseFlasher, HttpServer, Opendal, Power, Serial, Tftp, Uboot } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * const install = Effect.gen(function*() {
 *   const board = yield* Device.connectAll({
 *     flasher: [BaseFlasher.contract, "storage"],
 *     uboot: [Uboot.contract, "storage.uboot"],
 *     power: [Power.contract, "storage.power"],
 *     serial: [Serial.contract, "storage.serial"],
 *     tftp: [Tftp.contract, "storage.tftp"],
 *     http: [HttpServer.contract, "storage.http"],
 *     files: [Opendal.contract, "storage.http.storage"]
 *   })
 *   const image = yield* Resource.fromFile("rootfs.img.xz")
 *   yield* BaseFlasher.flash(board, { name: "rootfs.img.xz", image }, {
 *     onProgress: ({ bytes, step }) => Effect.logInfo(step, bytes)
 *   })
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_flashers.client.BaseFlasherClient", family.bundling, {
  driverType: "storage"
})

/**
 * The client of such a flasher.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * The bundle has no such target, or the device does not have it.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownTarget extends Schema.TaggedError<UnknownTarget>(
  "@effect-jumpstarter/core/drivers/BaseFlasher/UnknownTarget"
)("UnknownTarget", { target: Schema.String, targets: Schema.Array(Schema.String), reason: Schema.String }) {
  override get message(): string {
    return `cannot flash the target ${JSON.stringify(this.target)}: ${this.reason}; the bundle has ${
      this.targets.join(", ") || "none"
    }`
  }
}

/**
 * The drivers that flashing needs. `files` is the child `storage` of `http`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Board {
  readonly flasher: Client
  readonly uboot: Uboot.Client
  readonly power: Pick<Power.Client, "on" | "off">
  readonly serial: Pick<Serial.Client, "connect">
  readonly tftp: Pick<Tftp.Client, "start" | "stop" | "get_host">
  readonly http: Pick<HttpServer.Client, "start" | "stop" | "get_url">
  readonly files: Pick<Opendal.Client, "open" | "file_write" | "file_close" | "exists" | "hash">
}

/**
 * How far flashing is. `bytes` is the number of bytes that the target has received; with the method `fls` it is missing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  readonly step: "bundle" | "upload" | "boot" | "write" | "done"
  /** 1 for the first attempt. */
  readonly attempt: number
  readonly bytes?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface FlashOptions {
  /** A target of the bundle; the exporter's or the bundle's default without one. */
  readonly target?: string | undefined
  /** The label of a partition, to write instead of the whole target. */
  readonly partition?: string | undefined
  /** Another bundle than the one of the exporter's configuration. */
  readonly bundle?: string | undefined
  /** A device tree of the bundle. */
  readonly dtbVariant?: string | undefined
  /**
   * What writes the image on the board: `shell` fetches it with curl and writes it with dd, `fls` is a program that the bundle must
   * have, unless `flsUrl` says where to fetch it from. `fls` by default for an image of a registry, and `shell` for others.
   */
  readonly method?: "shell" | "fls" | undefined
  readonly flsUrl?: string | undefined
  /** The certificate with which the board checks HTTPS servers, as PEM; by default the one of the exporter's configuration. */
  readonly certificate?: string | undefined
  /** Whether the board does not check certificates. */
  readonly insecureTls?: boolean | undefined
  /**
   * How many more attempts there are, each with a reboot, after the console or a command on the board failed; 3 by default, with 1, 2
   * and 4 seconds in between.
   */
  readonly retries?: number | undefined
  /** How long the board may take to write the image; 30 minutes by default. */
  readonly timeout?: Duration.DurationInput | undefined
  /** Whether the board stays on afterwards; false by default. */
  readonly stayOn?: boolean | undefined
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
  readonly console?: Console.ConsoleOptions | undefined
}

/**
 * Why flashing failed, apart from failures of the image itself.
 *
 * @since 0.1.0
 * @category errors
 */
export type FlashError =
  | Uboot.PromptError
  | ContentEncodingError
  | images.InvalidImage
  | InvalidManifest
  | Opendal.HashMismatch
  | UnknownTarget

/**
 * The small system on the board, waiting for commands.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceShell {
  readonly console: Console.Console<DriverCallError>
  /** Runs a command, and returns the lines that it prints. Fails with `CommandFailed` for an exit code other than 0. */
  readonly run: (
    command: string | Redacted.Redacted,
    options?: Uboot.CommandOptions
  ) => Effect.Effect<ReadonlyArray<string>, Uboot.PromptError>
  readonly dhcp: Uboot.Dhcp
}

const bootTimeout = "3 minutes"

/**
 * Starts the small system of the bundle, and logs in to it. The exporter's HTTP and TFTP servers run, and the console is open, until
 * the scope closes. `flash` builds on this.
 *
 * @since 0.1.0
 * @category constructors
 */
export const boot = (
  board: Board,
  options: Pick<FlashOptions, "bundle" | "console" | "dtbVariant"> = {}
): Effect.Effect<DeviceShell, Uboot.PromptError | InvalidManifest, Scope.Scope> => {
  const caller = callers.of()
  const on = <A>(call: () => A): A => callers.on(caller, call)
  return Effect.gen(function*() {
    const spec = yield* on(() => prepare(board, options))
    return yield* on(() => start(board, spec, options))
  })
}

type Spec = Manifest["spec"]

// Has the exporter fetch the bundle, runs its servers until the scope closes, and returns what the bundle's manifest says.
const prepare = ({ flasher, http, tftp }: Board, { bundle, dtbVariant }: FlashOptions) => {
  const caller = callers.of()
  return Effect.gen(function*() {
    // The driver checks a variant against the bundle that it has, and sets up a bundle with the variant that it has.
    if (dtbVariant !== undefined) {
      if (bundle !== undefined) yield* callers.on(caller, () => flasher.setup_flasher_bundle(bundle))
      yield* callers.on(caller, () => flasher.use_dtb_variant(dtbVariant))
    }
    yield* callers.on(caller, () => flasher.setup_flasher_bundle(bundle))
    for (const server of [http, tftp]) {
      yield* held(
        "a server of the board's files",
        callers.on(caller, () => server.start()),
        () => callers.on(caller, () => server.stop()),
        "1 minute"
      )
    }
    return (yield* callers.on(caller, () => manifest(flasher))).spec
  })
}

// Prompts in manifests are regular expressions, as they are for Python clients. An invalid one is taken literally.
const promptOf = (source: string): Console.Pattern => {
  try {
    return new RegExp(source)
  } catch {
    return source
  }
}

const start = (
  board: Board,
  { login }: Spec,
  options: FlashOptions
): Effect.Effect<DeviceShell, Uboot.PromptError, Scope.Scope> => {
  const caller = callers.of()
  const on = <A>(call: () => A): A => callers.on(caller, call)
  const { flasher } = board
  return Effect.gen(function*() {
    const prompt = yield* on(() => Uboot.reboot(board, { console: options.console }))
    const dhcp = yield* on(() => prompt.dhcp())
    const serverip = yield* on(() => board.tftp.get_host())
    yield* on(() => prompt.setEnv("serverip", serverip))
    const files = [
      [yield* on(() => flasher.get_kernel_address()), yield* on(() => flasher.get_kernel_filename())],
      [yield* on(() => flasher.get_initram_address()), yield* on(() => flasher.get_initram_filename())],
      [yield* on(() => flasher.get_dtb_address()), yield* on(() => flasher.get_dtb_filename())]
    ] as const
    for (const [address, file] of files) if (address && file) yield* on(() => prompt.tftp(address, file))
    const { console } = prompt
    const shellPrompt = promptOf(login.prompt)
    yield* console.sendLine(yield* on(() => flasher.get_bootcmd()))
    if (login.username) {
      yield* on(() => console.expect(promptOf(login.login_prompt), { timeout: bootTimeout }))
      yield* console.sendLine(login.username)
    }
    if (login.password) {
      yield* on(() => console.expect("assword:", { timeout: "1 minute" }))
      yield* console.sendLine(Redacted.make(login.password))
    }
    yield* on(() => console.expect(shellPrompt, { timeout: bootTimeout }))
    const run: DeviceShell["run"] = (command, { timeout } = {}) =>
      callers.on(callers.of(), () => commands.run(console, command, { prompt: shellPrompt, timeout }))
    return { console, run, dhcp }
  })
}

// The device file to write.
const resolveTarget = (board: Board, spec: Spec, shell: DeviceShell, { partition, target }: FlashOptions) => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const name = target ?? (yield* callers.on(caller, () => board.flasher.get_default_target())) ?? spec.default_target
    const unknown = (reason: string) =>
      callers.blame(new UnknownTarget({ target: name, targets: Object.keys(spec.targets), reason }), { caller })
    const described = spec.targets[name]
    if (described === undefined) return yield* unknown("the bundle does not have it")
    const lookup = deviceShell.lookup(described)
    const found = "file" in lookup
      ? lookup.file
      : deviceShell.foundDevice(yield* callers.on(caller, () => shell.run(lookup.command)))
    if (found === undefined) return yield* unknown(`the board has no block device at ${described}`)
    if (partition === undefined) return found
    const file = deviceShell.fileOfPartition(partition)
    yield* callers.on(caller, () => shell.run(deviceShell.isDevice(file))).pipe(
      Effect.catchTag("CommandFailed", () => unknown(`the board has no partition with the label ${partition}`))
    )
    return file
  })
}

// Serves the certificate to the board, which stores it. Returns whether there is one.
const installCertificate = (board: Board, shell: DeviceShell, { certificate }: FlashOptions) => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const pem = certificate ?? (yield* callers.on(caller, () => board.flasher.get_cacert()))
    if (pem === null) return false
    yield* callers.on(caller, () => Opendal.writeString(board.files, "cacert.crt", pem))
    const url = yield* callers.on(caller, () => board.http.get_url())
    yield* callers.on(caller, () => shell.run(deviceShell.download(`${url}/cacert.crt`, deviceShell.certificateFile)))
    return true
  })
}

// Waits until the pipeline on the board has ended, and reports how much it has written.
const watch = (shell: DeviceShell, command: string, onBytes: (bytes: number) => Effect.Effect<void>) => {
  const caller = callers.of()
  return Effect.gen(function*() {
    for (;;) {
      const { bytes, code } = deviceShell.readState(yield* callers.on(caller, () => shell.run(deviceShell.poll)))
      if (bytes !== undefined) yield* onBytes(bytes)
      if (code === 0) return
      if (code !== undefined) {
        const lines = yield* callers.on(caller, () => shell.run(deviceShell.output))
        return yield* commands.failed(command, { code, lines }, caller)
      }
      yield* Effect.sleep("1 second")
    }
  })
}

const write = (
  board: Board,
  spec: Spec,
  image: images.Remote,
  options: FlashOptions,
  onBytes: (bytes: number) => Effect.Effect<void>,
  shell: DeviceShell
): Effect.Effect<void, FlashError> => {
  const caller = callers.of()
  const on = <A>(call: () => A): A => callers.on(caller, call)
  const { timeout = "30 minutes" } = options
  return Effect.gen(function*() {
    const target = yield* on(() => resolveTarget(board, spec, shell, options))
    yield* on(() => shell.run(["export", `dhcp_addr=${shell.dhcp.address}`, `gw_addr=${shell.dhcp.gateway}`].join(" ")))
    for (const command of spec.preflash_commands) yield* on(() => shell.run(command))
    yield* on(() => shell.run("udhcpc"))
    // The board checks certificates by its clock.
    // eslint-disable-next-line no-restricted-syntax -- the time of day
    const now = yield* Clock.currentTimeMillis
    yield* on(() => shell.run(`date -s @${Math.floor(now / 1000)}`))
    const certificate = /^(https|oci):/.test(image.url) && (yield* on(() => installCertificate(board, shell, options)))
    const { credentials, headers, method, name, url } = image
    const job = { url, name, headers, target, certificate, insecureTls: options.insecureTls ?? false }
    if (method === "fls") {
      yield* on(() => fls.write(shell, job, { credentials, flsUrl: options.flsUrl, timeout }))
    } else {
      const command = deviceShell.start(job)
      yield* on(() => shell.run(command))
      yield* interruptible.timeoutFail(on(() => watch(shell, command, onBytes)), {
        duration: timeout,
        onTimeout: () => {
          const reason = `did not end within ${Duration.format(timeout)}, the timeout of the flash`
          return commands.failed(command, { code: -1, lines: [] }, caller, reason)
        }
      })
    }
    yield* on(() => shell.run("sync", { timeout: "20 minutes" }))
    yield* shell.console.sendLine("reboot")
  })
}

const isWorthRetrying = ({ _tag }: { readonly _tag: string }): boolean =>
  _tag === "ExpectError" || _tag === "CommandFailed"

/**
 * Flashes a board. First the exporter fetches the bundle and receives the image, unless it has the image already. Then U-Boot starts
 * the small system of the bundle, which fetches the image over HTTP from the exporter, or from a given URL, and writes it. At the end
 * the board is off.
 *
 * An image of the client is read twice, so it must be readable more than once, such as a file.
 *
 * @since 0.1.0
 * @category combinators
 */
export const flash = <E = never, R = never>(
  board: Board,
  image: images.Image<E, R>,
  options: FlashOptions = {}
): Effect.Effect<void, FlashError | E, R> => {
  const caller = callers.of()
  const on = <A>(call: () => A): A => callers.on(caller, call)
  const { onProgress = () => Effect.void, retries = 3, stayOn = false } = options
  return Effect.gen(function*() {
    const problem = images.problem(image, options.method)
    if (problem !== undefined) return yield* callers.blame(new images.InvalidImage({ reason: problem }), { caller })
    const prepared = Effect.zipRight(
      onProgress({ step: "bundle", attempt: 1 }),
      on(() => prepare(board, options))
    )
    const uploaded = "url" in image ? Effect.void : Effect.zipRight(
      onProgress({ step: "upload", attempt: 1 }),
      on(() => Opendal.upload(board.files, image.name, image.image))
    )
    const [spec] = yield* interruptible.both(prepared, uploaded)
    const source = images.remote(image, options.method, "url" in image ? "" : yield* on(() => board.http.get_url()))
    let attempt = 0
    yield* Effect.suspend(() => {
      attempt++
      const begin = (step: Progress["step"], bytes?: number) => onProgress({ step, attempt, bytes })
      return Effect.scoped(Effect.gen(function*() {
        yield* begin("boot")
        const shell = yield* on(() => start(board, spec, options))
        yield* begin("write")
        yield* on(() => write(board, spec, source, options, (bytes) => begin("write", bytes), shell))
      }))
    }).pipe(
      Effect.retry({ times: retries, schedule: Schedule.exponential("1 second"), while: isWorthRetrying })
    )
    // Time for the board to begin its reboot, so that nothing is left unwritten.
    yield* Effect.sleep("2 seconds")
    if (!stayOn) yield* on(() => board.power.off())
    yield* onProgress({ step: "done", attempt })
  }).pipe(Effect.scoped)
}
