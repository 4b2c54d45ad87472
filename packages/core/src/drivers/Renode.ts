/**
 * Boards that Renode simulates: `jumpstarter_driver_renode` (`protocol.md` 14.3).
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
import type * as Resource from "../resource/Resource.ts"
import { held } from "./bracket.ts"
import * as Console from "./Console.ts"
import type * as Flasher from "./Flasher.ts"
import type * as Power from "./Power.ts"
import type * as Serial from "./Serial.ts"

/**
 * How Renode loads a file, for the flasher of a simulated board.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LoadCommand = Schema.Literal("sysbus LoadELF", "sysbus LoadBinary", "sysbus LoadSymbolsFrom")

/**
 * @since 0.1.0
 * @category models
 */
export type LoadCommand = typeof LoadCommand.Type

/**
 * The contract. Its children are `power`, `flasher` and `console`, which implement `Power.contract`, `Flasher.contract` and
 * `Serial.contract`. A target of the flasher is a `LoadCommand`; by default it depends on the file.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Flasher, Power, Renode, Serial } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * const boots = Effect.gen(function*() {
 *   const board = yield* Device.connectAll({
 *     power: [Power.contract, "renode.power"],
 *     flasher: [Flasher.contract, "renode.flasher"],
 *     console: [Serial.contract, "renode.console"]
 *   })
 *   const console = yield* Renode.boot(board, { firmware: yield* Resource.fromFile("zephyr.elf") })
 *   yield* console.expect("*** Booting Zephyr OS", { timeout: "1 minute" })
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_renode.client.RenodeClient", {
  /** The description of the board: a file of the exporter, or a name that Renode knows. */
  get_platform: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The description of the board: a file of the exporter, or a name that Renode knows.",
    idempotent: true
  }),
  /** The serial port that is the console, such as sysbus.uart0. */
  get_uart: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The serial port that is the console, such as sysbus.uart0.",
    idempotent: true
  }),
  /** The name of the board in Renode. */
  get_machine_name: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The name of the board in Renode.",
    idempotent: true
  }),
  /** Runs a command of Renode's monitor, and returns its output. The exporter's configuration must have allow_raw_monitor: true. */
  monitor_cmd: DriverMethod.call({
    args: DriverMethod.named((command = Schema.String) => [command]),
    result: Schema.String,
    documentation:
      "Runs a command of Renode's monitor, and returns its output. The exporter's configuration must have allow_raw_monitor: true."
  })
}, { driverType: "composite" })

/**
 * The client of a simulated board.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface BootOptions<E, R> {
  /** The program that the board runs. Without it, the board runs what was flashed before. */
  readonly firmware?: Resource.Source<void, E, R> | undefined
  readonly loadCommand?: LoadCommand | undefined
  readonly console?: Console.ConsoleOptions | undefined
}

/**
 * Starts the simulation, and opens the console of the board. The simulation stops when the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const boot = <E = never, R = never>(
  board: {
    readonly power: Pick<Power.Client, "on" | "off">
    readonly flasher: Pick<Flasher.Client, "flash">
    readonly console: Pick<Serial.Client, "connect">
  },
  { console, firmware, loadCommand }: BootOptions<E, R> = {}
): Effect.Effect<Console.Console<DriverCallError>, DriverCallError | E, R | Scope.Scope> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    if (firmware !== undefined) yield* callers.on(caller, () => board.flasher.flash(firmware, loadCommand))
    yield* held(
      "the power of a simulated board",
      callers.on(caller, () => board.power.on()),
      () => callers.on(caller, () => board.power.off()),
      "1 minute"
    )
    return yield* Console.make(yield* callers.on(caller, () => board.console.connect()), console)
  })
}
